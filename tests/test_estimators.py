"""Runs as scikit-learn estimators; `estimator_checks.py` runs the whole of `check_estimator`."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks

import trainrun
from trainrun import TrainrunClassifier, TrainrunRegressor

# Cheap ones among those that Keras' wrappers fail or do not run, and what pipelines rely on.
CHECKS = (
    "check_supervised_y_2d",
    "check_sample_weights_shape",
    "check_estimators_unfitted",
    "check_dict_unchanged",
    "check_get_params_invariance",
    "check_n_features_in_after_fitting",
)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.filterwarnings("ignore")
def test_passes_a_check_of_scikit_learn(name, inside):
    getattr(estimator_checks, name)("TrainrunClassifier", TrainrunClassifier(["model=linear"], epochs=1))


def test_a_grid_search_over_a_table_keeps_labels_and_leaves_nothing(inside):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["size"] = np.where(X.iloc[:, 2] > 4, "large", "small")
    X.iloc[3, 0] = np.nan
    labels = np.array(["NA", "null", "a b"])[y]
    pipeline = make_pipeline(
        FunctionTransformer(), TrainrunClassifier(["model=linear", "optimizer=sgd"], epochs=20)
    )
    rates = {"trainrunclassifier__learning_rate": [1e-5, 0.3]}
    search = GridSearchCV(pipeline, rates, cv=2).fit(X, labels)
    assert search.best_params_ == {"trainrunclassifier__learning_rate": 0.3}
    assert search.score(X, labels) > 0.9 and [*search.classes_] == ["NA", "a b", "null"]
    probabilities = search.predict_proba(X)
    assert (search.classes_[probabilities.argmax(1)] == search.predict(X)).all()
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)
    assert list(inside.iterdir()) == []


def test_a_linear_model_on_several_numbers_agrees_with_scikit_learn_and_is_recorded(inside):
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    y = X @ random.normal(size=(3, 2)) * [1, 100] + [5, 0]
    ours = TrainrunRegressor(
        ["model=linear", "optimizer=sgd"], epochs=30, learning_rate=0.1, outputs="outputs", random_state=3
    )
    expected = Ridge(1e-9).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(
        ours.fit(X, y).predict(X), expected.predict(StandardScaler().fit_transform(X)), rtol=0.02, atol=0.5
    )
    run = trainrun.load("last")
    assert run.run_dir.resolve() == ours.run_dir_.resolve() and run.config["seed"] == 3
    assert run.history["loss"] == ours.history_["loss"]
    with pytest.raises(ValueError, match="learning_rate"):
        ours.set_params(learning_rate=-1).fit(X, y)
    with pytest.raises(ValueError, match="3 features"):
        ours.predict(pd.DataFrame(X[:, :2]))
