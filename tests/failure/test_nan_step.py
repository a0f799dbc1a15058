"""Taking a step apart, on models that differ: nothing is found where nothing is, and the right thing where it is."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.failure import nan_step


@pytest.fixture(autouse=True)
def float32():
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(3)


def two_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    inner = keras.Sequential(
        [keras.layers.Dense(5, activation="relu", name="deep"), keras.layers.Dropout(0.5)], name="inner"
    )
    joined = keras.layers.Concatenate(name="joined")([inner(a), b])
    normal = keras.layers.BatchNormalization(name="normal")(joined)
    return keras.Model({"a": a, "b": b}, keras.layers.Dense(1, name="head", kernel_regularizer="l2")(normal))


@pytest.fixture
def model():
    model = two_inputs()
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def batch(n=6):
    rng = np.random.default_rng(0)
    x = {
        "a": rng.standard_normal((n, 4)).astype("float32"),
        "b": rng.standard_normal((n, 3)).astype("float32"),
    }
    return x, rng.standard_normal((n, 1)).astype("float32"), np.ones(n, "float32")


def test_a_step_that_is_well(model):
    before = [w.copy() for w in model.get_weights()]
    seen = nan_step.examine(model, *batch())
    assert seen.finding is None
    assert [row["name"] for row in seen.layers][:1] == ["deep"], "nested layers are looked at, in order"
    assert {"joined", "normal", "head"} <= {row["name"] for row in seen.layers}
    trained = {v.path for v in model.trainable_variables}
    for variable, old in zip(model.weights, before, strict=True):
        if variable.path in trained:
            np.testing.assert_array_equal(variable.numpy(), old)
    assert "call" not in vars(model.get_layer("joined")), "the layers are as they were"


def test_inputs_labels_and_weights_in_this_order(model):
    x, y, weight = batch()
    weight[5] = np.inf
    assert nan_step.examine(model, x, y, weight).finding.kind == nan_step.WEIGHT
    y[2] = np.nan
    assert nan_step.examine(model, x, y, weight).finding.kind == nan_step.LABEL
    x["b"][4, 1] = -np.inf
    finding = nan_step.examine(model, x, y, weight).finding
    assert (finding.kind, finding.name, finding.value, list(finding.rows)) == (
        nan_step.INPUT,
        "b",
        "inf",
        [4],
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_layer_whose_output_overflows_is_named(parts, model):
    x, y, weight = batch()
    kernel = model.get_layer("inner").get_layer("deep").kernel
    kernel.assign(np.full(kernel.shape, 3e38, "float32"))
    x["a"][:] = 0
    x["a"][3] = 10.0
    finding = nan_step.examine(model, x, y, weight, parts).finding
    assert (finding.kind, finding.name, finding.value, list(finding.rows)) == (
        nan_step.LAYER,
        "deep",
        "inf",
        [3],
    )


def test_a_weight_that_was_nan_before(model):
    model.get_layer("head").bias.assign([np.nan])
    finding = nan_step.examine(model, *batch()).finding
    assert (finding.kind, finding.name) == (nan_step.VARIABLE, "head/bias")


def test_what_only_the_update_has_broken(model):
    known = nan_step.Finding(nan_step.UPDATE, "head/kernel", "inf")
    assert nan_step.examine(model, *batch(), updated=[known]).finding == known
