"""scikit-learn's `check_estimator` on trainrun's estimators and on Keras' own wrappers: `python tests/estimator_checks.py`.

It trains some 200 models, which takes ten minutes; `tests/test_estimators.py` has a few of the checks.
"""

from __future__ import annotations

import logging
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from sklearn.utils.estimator_checks import check_estimator

from trainrun import TrainrunClassifier, TrainrunRegressor


def plain_keras(X, y, loss):
    """Return the model of the wrappers' docstring."""
    count = y.shape[1] if y.ndim > 1 else 1
    hidden = keras.layers.Dense(10, activation="relu")
    output = keras.layers.Dense(count, activation="softmax" if "crossentropy" in loss else None)
    model = keras.Sequential([keras.Input(X.shape[1:]), hidden, output])
    model.compile("rmsprop", loss)
    return model


def main() -> None:
    """Print the checks that do not pass."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    wrappers = keras.wrappers.SKLearnClassifier, keras.wrappers.SKLearnRegressor
    for ours, wrapper, loss in zip(
        (TrainrunClassifier, TrainrunRegressor), wrappers, ("categorical_crossentropy", "mse"), strict=True
    ):
        of_keras = wrapper(plain_keras, model_kwargs={"loss": loss}, fit_kwargs={"verbose": 0})
        for estimator in (ours(["model=linear"], epochs=2), of_keras):
            checks = check_estimator(estimator, on_fail=None, on_skip=None)
            by_status = {s: [c for c in checks if c["status"] == s] for s in ("passed", "failed", "skipped")}
            counts = ", ".join(f"{len(found)} {status}" for status, found in by_status.items())
            print(f"{type(estimator).__name__}: {counts}", flush=True)  # noqa: T201
            for check in by_status["failed"]:
                print(f"  {check['check_name']}: {str(check['exception']).strip().partition(chr(10))[0]}")  # noqa: T201


if __name__ == "__main__":
    main()
