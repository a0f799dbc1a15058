"""Permutation importance, against scikit-learn's and theory; coefficients of a linear model by name; the worst examples."""

from __future__ import annotations

import io
import math

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance

from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.data.timeseries import timeseries
from trainrun.run.linear_coefficients import coefficients
from trainrun.run.permutation_importance import errors, importance, lacking
from trainrun.run.worst_examples import worst

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(800, 3)).astype("float32")
WEIGHTS = np.array([3.0, 1.0, 0.0])
REAL = TargetSpec("real")
FITTED = Preprocessor(
    "made", "regression", (InputSpec("x", "numeric", (3,)),), REAL, features=("a", "b", "c")
)


class Linear(BaseEstimator):
    """What scikit-learn takes for an estimator."""

    def fit(self, x, y):
        return self

    def predict(self, x):
        return x @ WEIGHTS


def test_the_rise_of_the_error_is_scikit_learn_s():
    y = X @ WEIGHTS + RANDOM.normal(size=800)
    importances = importance(
        lambda x: Linear().predict(x)[:, None], Split(X, y[:, None]), REAL, FITTED, seed=1
    )
    expected = permutation_importance(
        Linear(), X, y, scoring="neg_mean_absolute_error", n_repeats=30, random_state=0
    )
    assert [i.column for i in importances] == ["a", "b", "c"]
    for i, mean in zip(importances, expected.importances_mean, strict=True):
        assert i.rise == pytest.approx(mean, abs=0.12)
        assert i.low - 0.01 <= mean <= i.high + 0.01
    # Without noise, shuffling changes a prediction by w (x' - x), normal with variance 2 w².
    (first, *_) = importance(
        lambda x: Linear().predict(x)[:, None], Split(X, (X @ WEIGHTS)[:, None]), REAL, FITTED, seed=1
    )
    assert first.rise == pytest.approx(3 * math.sqrt(2) * math.sqrt(2 / math.pi), rel=0.05)
    assert importances[2].rise == pytest.approx(0.0, abs=1e-12)  # a column without weight


def test_a_number_is_shuffled_with_its_indicator_and_a_category_by_its_name():
    inputs = (InputSpec("numeric", "numeric", (2,)), InputSpec("categorical", "categorical", (1,), (3,)))
    columns = (Column("age", "number"), Column("city", "category", categories=("x", "y")))
    fitted = Preprocessor(
        "made", "classification", inputs, TargetSpec("binary", ("no", "yes")), True, columns, {"age": True},
        ("age", "age is missing"),
    )  # fmt: skip
    x = {"numeric": X[:, :2], "categorical": RANDOM.integers(0, 3, (800, 1))}
    y = (x["categorical"][:, 0] == 1).astype(int)
    pairs = set(map(tuple, x["numeric"].tolist()))

    def predict(x):
        assert set(map(tuple, x["numeric"].tolist())) <= pairs, "the two numbers were torn apart"
        return np.where(x["categorical"] == 1, 0.9, 0.1)

    importances = importance(predict, Split(x, y), fitted.target, fitted, seed=1)
    assert [(i.column, i.rise > 0.1) for i in importances] == [("city", True), ("age", False)]


def test_a_column_of_windows_is_shuffled_whole_and_worst_examples_show_the_last_step(tmp_path):
    temp = RANDOM.normal(10, 3, 400)
    load = np.concatenate([[0.0], 2 * temp[:-1]])  # of a row: twice the temperature of the one before
    rows = [f"{a},{b},{c}" for a, b, c in zip(load, temp, RANDOM.normal(size=400), strict=True)]
    (tmp_path / "load.csv").write_text("\n".join(["load,temp,noise", *rows]))
    data = timeseries(path=str(tmp_path / "load.csv"), target="load", window=5, standardize_target=False)
    fitted, split = Preprocessor.of(data), data.test
    scaling = fitted.steps["window"]["standardize"]
    mean, std = (scaling[k][1] for k in ("mean", "std"))

    def predict(x):
        changed = x[:, :, 1][:, :, None] == split.x[:, :, 1].T[None]
        assert changed.all(axis=1).any(axis=1).all(), "a window's own values were torn apart"
        return 2 * (x[:, -1, 1] * std + mean)[:, None]

    first, *others = importance(predict, split, data.target, fitted, seed=1)
    temps = split.x[:, -1, 1] * std + mean
    assert (first.column, {i.column: i.rise for i in others}) == ("temp", {"load": 0.0, "noise": 0.0})
    # A permutation pairs examples at random: the mean absolute difference of two of them.
    assert first.rise == pytest.approx(2 * np.abs(temps[:, None] - temps).mean(), rel=0.05)

    columns, examples = worst(data, split, predict(split.x) + np.arange(len(split))[:, None], fitted)
    assert (columns, examples[0].place) == (["last load", "last temp", "last noise"], len(split) - 1)
    # The last row is predicted by the one before.
    assert examples[0].values[:2] == pytest.approx([load[-2], temp[-2]], rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "shape", "words"), [("image", (8, 8, 3), "images"), ("tokens", (9,), "texts")]
)
def test_inputs_without_columns_say_so(kind, shape, words):
    fitted = Preprocessor("made", "classification", (InputSpec("x", kind, shape),), TargetSpec("binary"))
    split = Split(np.zeros((4, *shape)), np.zeros(4))
    assert importance(lambda x: x, split, fitted.target, fitted, seed=1) == []
    assert lacking(split, fitted.target, fitted) == f"None: {words} have no columns to shuffle."


def test_errors_are_the_log_loss_of_each_example():
    y, p = np.array([0, 2]), np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    assert errors(TargetSpec("multiclass", outputs=3), y, p) == pytest.approx([math.log(2), -math.log(0.8)])
    assert errors(TargetSpec("binary"), np.array([1, 0]), np.array([[0.5], [0.2]])) == pytest.approx(
        [math.log(2), -math.log(0.8)]
    )


def test_images_have_no_columns():
    fitted = Preprocessor("made", "regression", (InputSpec("x", "image", (4, 4, 1)),), REAL)
    assert importance(lambda x: x, Split(np.zeros((5, 4, 4, 1)), np.zeros((5, 1))), REAL, fitted, 1) == []


def test_coefficients_bear_the_names_of_columns_and_categories():
    inputs = (InputSpec("numeric", "numeric", (2,)), InputSpec("categorical", "categorical", (1,), (3,)))
    columns = (Column("age", "number"), Column("city", "category", categories=("Oslo", "Rome")))
    fitted = Preprocessor("made", "regression", inputs, REAL, True, columns, features=("age", "height"))
    tensors = {
        "numeric": keras.Input((2,), name="numeric"),
        "categorical": keras.Input((1,), dtype="int32", name="categorical"),
    }
    hot = keras.ops.one_hot(tensors["categorical"][:, 0], 3)
    head = keras.layers.Dense(1, name="head")
    model = keras.Model(tensors, head(keras.layers.Concatenate()([tensors["numeric"], hot])))
    head.set_weights([np.array([[1.0], [-3.0], [9.0], [2.0], [0.5]]), np.zeros(1)])
    assert coefficients(model, fitted) == [
        ("height", (-3.0,)),
        ("city = Oslo", (2.0,)),
        ("age", (1.0,)),
        ("city = Rome", (0.5,)),
    ]


TWO = TargetSpec("binary", ("no", "yes"))


def test_the_worst_images_are_shown_as_they_are():
    x = RANDOM.random((4, 8, 8, 3)).astype("float32")
    data = Dataset(
        "made", "classification", (InputSpec("x", "image", (8, 8, 3)),), TWO, Split(x, np.ones(4, int))
    )
    p = np.array([[0.9], [0.1], [0.5], [0.8]])
    columns, examples = worst(data, data.train, p, Preprocessor.of(data))
    assert columns == [] and [w.place for w in examples] == [1, 2, 3, 0]
    pixels = np.asarray(Image.open(io.BytesIO(examples[0].picture)).resize((8, 8), Image.Resampling.NEAREST))
    image = (x[1] - x[1].min()) / (x[1].max() - x[1].min())
    assert pixels == pytest.approx(255 * image, abs=1)


def test_texts_have_their_words_among_the_worst_and_the_coefficients():
    inputs = (InputSpec("text", "tokens", (4,), (5,)),)
    record = {
        "inputs": {"text": {"vocabulary": ["bad", "fine", "good"], "split": "whitespace", "ngrams": None}}
    }
    x = np.array([[2, 3, 0, 0], [4, 1, 4, 0]], "int32")
    data = Dataset("made", "classification", inputs, TWO, Split(x, np.array([0, 1])), preprocessing=record)
    fitted = Preprocessor.of(data)
    columns, examples = worst(data, data.train, np.array([[0.2], [0.1]]), fitted)
    assert columns == ["text"] and [w.values for w in examples] == [["good ? good"], ["bad fine"]]
    tensor, head = keras.Input((4,), dtype="int32", name="text"), keras.layers.Dense(1, name="head")
    model = keras.Model(tensor, head(keras.ops.mean(keras.ops.one_hot(tensor, 5), axis=1)))
    head.set_weights([np.array([[9.0], [8.0], [-2.0], [0.5], [1.0]]), np.zeros(1)])
    assert coefficients(model, fitted) == [("bad", (-2.0,)), ("good", (1.0,)), ("fine", (0.5,))]
