"""docs/plugins.md: the metric's code runs as written and counts as Keras and scikit-learn do."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import sklearn.metrics as sk
import tensorflow as tf
import yaml

import trainrun
from trainrun.registry import lookup

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
RNG = np.random.default_rng(13)
Y = RNG.integers(0, 4, 100)
P = RNG.dirichlet([1, 1, 1, 1], 100).astype("float32")
WEIGHT = RNG.uniform(0, 2, 100)


def block(language):
    return re.search(rf"```{language}\n(# my_metrics.py\n.*?|# Fraction.*?)```", PAGE, re.S)[1]


@pytest.fixture(scope="module")
def metric_class():
    """Run the page's code as a module, and take its class."""
    names = {"__name__": "my_metrics"}
    with lookup.isolated():
        exec(compile(block("python"), "my_metrics.py", "exec"), names)
        yield names["MyAccuracy"]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_equals_keras_and_scikit_learn(metric_class, weight):
    own, theirs = metric_class(), keras.metrics.SparseCategoricalAccuracy()
    for part in (slice(0, 64), slice(64, 100)):
        for metric in (own, theirs):
            metric.update_state(Y[part], P[part], sample_weight=None if weight is None else weight[part])
    assert float(own.result()) == pytest.approx(float(theirs.result()), rel=1e-6)
    assert float(own.result()) == pytest.approx(
        sk.accuracy_score(Y, P.argmax(-1), sample_weight=weight), rel=1e-5
    )
    own.reset_state()
    assert float(own.result()) == 0.0


def test_works_in_a_compiled_graph_and_half_precision(metric_class):
    metric = metric_class()
    tf.function(metric.update_state, jit_compile=True)(Y, tf.cast(P, "float16"))
    expected = sk.accuracy_score(Y, P.astype("float16").argmax(-1))
    assert float(metric.result()) == pytest.approx(expected)


def test_is_registered_under_the_name_of_its_option(metric_class):
    option = yaml.safe_load(block("yaml"))["my_accuracy"]
    metric = trainrun.build("metric", **option)
    assert type(metric) is metric_class
    metric.update_state(Y, P)
    assert float(metric.result()) == pytest.approx(sk.accuracy_score(Y, P.argmax(-1)))


def test_survives_saving(metric_class):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric_class(name="m")))
    assert (type(again), again.name) == (metric_class, "m")
