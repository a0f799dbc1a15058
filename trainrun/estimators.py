"""Runs as scikit-learn estimators, for `Pipeline`, `cross_val_score`, `GridSearchCV`.

TrainrunClassifier(["optimizer=adam"], epochs=20).fit(X, y).predict_proba(X)
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from trainrun import api
from trainrun.config import override_text
from trainrun.data import _kept_data
from trainrun.errors import UserError
from trainrun.hydra_bridge import registration
from trainrun.model.source_file import MODEL
from trainrun.run.pickled_model import PickledModel
from trainrun.ui.quietly import quietly

if TYPE_CHECKING:
    from trainrun.run.saved_model import Predictions

# Unless the user's overrides set them. All rows are trained on: the caller holds out what it judges by.
DEFAULTS = {
    "tracking": "none",
    "artifacts.plots": "false",
    "artifacts.report": "false",
    "data.validation": "0",
    "data.test": "0",
}
# Parameter -> the key that it sets.
KEYS = {
    "model": "model",
    "epochs": "trainer.epochs",
    "learning_rate": "optimizer.learning_rate",
    "batch_size": "trainer.batch_size",
}
SEEDS = 2**31 - 1
# Examples of a batch by default; of fewer rows all.
BATCH = 32


class _Estimator(BaseEstimator):
    """What the classifier and the regressor share."""

    _task: str
    _metric: str

    def __init__(
        self,
        overrides: Sequence[str] = (),
        *,
        model: str | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        random_state: Any = None,
        outputs: str | Path | None = None,
        verbose: int = 0,
    ):
        self.overrides = overrides
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.random_state = random_state
        self.outputs = outputs
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train.

        Args:
            X: a DataFrame, whose texts are categories and whose missing values are imputed; or an array `[rows, columns]`, or of images.
            y: labels of any kind, or numbers.
            sample_weight: of each row in the loss.

        Raises:
            ValueError: the rows, the overrides or a parameter are wrong.
            TrainingError: training failed.
        """
        if _is_frame(X):
            validate_data(self, X, skip_check_array=True)
            y = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=None)
        else:
            X, y = validate_data(
                self, X, y, allow_nd=True, multi_output=True, y_numeric=self._task == "regression"
            )
        counted = y
        if sample_weight is not None:
            sample_weight = check_array(
                sample_weight, ensure_2d=False, ensure_non_negative=True, input_name="sample_weight"
            )
            check_consistent_length(X, sample_weight)
            if sample_weight.ndim != 1:
                raise ValueError("Sample weights must be one for each row.")
            counted = y[sample_weight > 0]
            if not len(counted):
                raise ValueError("Sample weights must contain at least one non-zero number.")
        check_consistent_length(X, y)
        self._columns = [str(name) for name in X.columns] if _is_frame(X) else None
        data, settings = self._data(X, self._labels(y, counted), sample_weight)
        settings += self._settings(len(y))
        if self.outputs is None:
            place = tempfile.TemporaryDirectory(prefix="trainrun-")
        else:
            place = contextlib.nullcontext(self.outputs)
        with place as folder, quietly(not self.verbose):
            try:
                with _kept_data.kept(data, settings, Path(folder, ".data")) as complete:
                    run = api.run(complete, Path(folder, "runs", registration.run_name()))
            except UserError as error:
                raise ValueError(str(error)) from error
            self.history_ = run.history
            if self.outputs is not None:
                self.run_dir_ = run.run_dir
            self._fitted = PickledModel((run.run_dir / MODEL).read_bytes(), run.config["plugins"])
        return self

    def _data(self, X: Any, labels: np.ndarray, weight: np.ndarray | None) -> tuple[Any, list[str]]:
        """Return the rows as `trainrun.run` takes them, and the overrides that say what they are."""
        settings = [f"data.task={self._task}"]
        if self._columns is None:
            settings += ["data.kind=numeric"] if X.ndim == 2 else []
            return (X, labels) if weight is None else (X, labels, weight), settings
        data = X if isinstance(X, pd.DataFrame) else pa.table(X).to_pandas()
        for key, values in (("target", labels), ("weight", weight)):
            if values is not None:
                name = key
                while name in data.columns:
                    name += "_"
                data = data.assign(**{name: values})
                settings.append(f"data.{key}={name}")
        return data, settings

    def _settings(self, rows: int) -> list[str]:
        """Return the overrides: defaults, those of the user over them, the parameters over these."""
        chosen = {override_text.key(text) for text in self.overrides}
        defaults = {**DEFAULTS, "metric": self._metric, KEYS["batch_size"]: min(BATCH, rows)}
        settings = [f"{key}={value}" for key, value in defaults.items() if key not in chosen]
        settings += self.overrides
        settings += [f"{key}={value}" for p, key in KEYS.items() if (value := getattr(self, p)) is not None]
        if self.random_state is not None:
            seed = self.random_state
            if not isinstance(seed, int | np.integer):
                seed = check_random_state(seed).randint(SEEDS)
            settings.append(f"seed={seed}")
        return settings

    def _predictions(self, X: Any) -> Predictions:
        """Return the predictions of the saved model.

        Raises:
            ValueError: the rows do not fit the model, or one lacks a number that training has nothing to impute for.
        """
        check_is_fitted(self)
        if _is_frame(X) and self._columns is not None:
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, allow_nd=True)
            if self._columns is not None:
                X = pd.DataFrame(X, columns=self._columns)
        try:
            predictions = self._fitted.loaded.predict(X)
        except UserError as error:
            raise ValueError(str(error)) from error
        if predictions.unpredicted:
            raise ValueError(
                f"{predictions.unpredicted} of {len(X)} rows have no prediction: a number is missing, and training had no value to impute."
            )
        return predictions


class TrainrunClassifier(ClassifierMixin, _Estimator):
    """A run of trainrun as a classifier of scikit-learn.

    Args:
        overrides: as on the command line: ``["optimizer=sgd", "model.units=[64,32]"]``.
        model, epochs, learning_rate, batch_size: the settings `model`, `trainer.epochs`, `optimizer.learning_rate` and
            `trainer.batch_size`, by names that a search can vary; None: as the overrides or the config have them.
        random_state: the setting `seed`; None: that of the config, 42, so that each fit is the same.
        outputs: the folder that each fit leaves its run in, as ``outputs``; None: in none. The record is sent to no tracker
            unless `overrides` has ``tracking=mlflow``.
        verbose: 0: print nothing but warnings and errors; 1: as the command line does.

    Attributes:
        classes_: the labels.
        history_: name -> one value an epoch.
        run_dir_: the run's directory, with `outputs`.
        n_features_in_, feature_names_in_: of X.

    Example:
        >>> GridSearchCV(TrainrunClassifier(epochs=20), {"learning_rate": [1e-3, 1e-2]}).fit(X, y).best_params_
    """

    _task, _metric = "classification", "accuracy"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def _labels(self, y: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Return the labels that the run is trained on: whole numbers and texts as they are, others by their position.

        Args:
            y: of all rows.
            counted: of those whose weight is not 0.
        """
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, positions = np.unique(y, return_inverse=True)
        if len(np.unique(counted)) < 2:
            raise ValueError("Classifier can't train when only one class is present (of rows with a weight).")
        names = [str(label) for label in self.classes_]
        texts = all(isinstance(label, str) for label in self.classes_)
        plain = texts and all(name.strip() == name != "" for name in names)
        if plain or self.classes_.dtype.kind in "iu":
            self._names = names
            return y.astype(str) if texts else y
        self._names = [str(i) for i in range(len(names))]
        return positions

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each of `classes_`, `[rows, classes]`.

        Args:
            X: as in `fit`.
        """
        columns = self._predictions(X).columns()
        return np.column_stack([columns[f"probability_{name}"] for name in self._names]).astype("float64")

    def predict(self, X: Any) -> np.ndarray:
        """Return the label of each row: the most probable one, of two by the run's decision threshold.

        Args:
            X: as in `fit`.
        """
        names = self._predictions(X).columns()["prediction"]
        return self.classes_[pd.Index(self._names).get_indexer(names)]


class TrainrunRegressor(RegressorMixin, _Estimator):
    """A run of trainrun as a regressor of scikit-learn; of several numbers, if X is an array.

    Args:
        overrides, model, epochs, learning_rate, batch_size, random_state, outputs, verbose: as of `TrainrunClassifier`.

    Attributes:
        history_, run_dir_, n_features_in_, feature_names_in_: as of `TrainrunClassifier`.

    Example:
        >>> cross_val_score(TrainrunRegressor(["loss=huber"], epochs=50), X, y, n_jobs=2)
    """

    _task, _metric = "regression", "mae"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        tags.target_tags.multi_output = True
        return tags

    def _labels(self, y: np.ndarray, counted: np.ndarray) -> np.ndarray:
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        self._axes = y.ndim
        return y.astype("float64")

    def predict(self, X: Any) -> np.ndarray:
        """Return the numbers in their unit, `[rows]` or as many columns as `y` had.

        Args:
            X: as in `fit`.
        """
        output = self._predictions(X).output.astype("float64")
        return output[:, 0] if self._axes == 1 else output


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "__arrow_c_stream__")
