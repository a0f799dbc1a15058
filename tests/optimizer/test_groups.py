"""Groups of weights in one optimizer, held to a hand-written Adam and SGD, and to one plain Keras optimizer for each group."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.errors import UserError
from trainrun.hardware import replicas
from trainrun.optimizer import _groups
from trainrun.registry import lookup

GROUPS = {"a.*": {"scale": 0.1}, ".*bias": {"weight_decay": 0.0, "scale": 0.5}}
SHAPES = {"a/kernel": (3, 2), "a/bias": (2,), "b/kernel": (2, 2), "b/bias": (2,)}
# What the two expressions come to; of a/bias the later one counts.
SCALE = {"a/kernel": 0.1, "a/bias": 0.5, "b/kernel": 1.0, "b/bias": 0.5}
DECAY = {"a/kernel": 0.1, "a/bias": 0.0, "b/kernel": 0.1, "b/bias": 0.0}
STEPS, RATE = 4, 0.05


@pytest.fixture
def variables():
    random = np.random.default_rng(0)
    return {
        k: keras.Variable(random.normal(size=s).astype("float32"), name=k[-4:]) for k, s in SHAPES.items()
    }


def gradients():
    random = np.random.default_rng(1)
    return [[random.normal(size=s).astype("float32") for s in SHAPES.values()] for _ in range(STEPS)]


def rate(step):
    return RATE * 0.5**step  # of an exponential schedule


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(RATE, 1, 0.5)


def by_hand(values, momentum, clip):
    """Return the weights after decoupled weight decay and Adam (None: without momentum) or SGD, clipped by the norm of all."""
    first, second = ({k: np.zeros_like(v) for k, v in values.items()} for _ in range(2))
    for step, listed in enumerate(gradients()):
        norm = np.sqrt(sum((g**2).sum() for g in listed))
        for (k, w), g in zip(list(values.items()), listed, strict=True):
            g, lr = g * min(1.0, clip / norm), rate(step) * SCALE[k]
            w = w - lr * DECAY[k] * w
            if momentum is not None:
                first[k] = momentum * first[k] - lr * g
                values[k] = w + first[k]
                continue
            first[k] = 0.9 * first[k] + 0.1 * g
            second[k] = 0.999 * second[k] + 0.001 * g**2
            t = step + 1
            mean, square = first[k] / (1 - 0.9**t), second[k] / (1 - 0.999**t)
            values[k] = w - lr * mean / (np.sqrt(square) + 1e-7 / np.sqrt(1 - 0.999**t))
    return values


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_groups_are_a_hand_written_adam_and_sgd(variables, momentum):
    shared = {"learning_rate": schedule(), "weight_decay": 0.1, "global_clipnorm": 1.0}
    made = (
        keras.optimizers.Adam(**shared)
        if momentum is None
        else keras.optimizers.SGD(momentum=momentum, **shared)
    )
    expected = by_hand({k: v.numpy().astype("float64") for k, v in variables.items()}, momentum, 1.0)
    _groups.apply([*replicas.leaves(made)], GROUPS, variables)
    step = tf.function(lambda g: made.apply(g, list(variables.values())))
    for listed in gradients():
        step([tf.constant(g) for g in listed])
    for k, v in variables.items():
        np.testing.assert_allclose(v.numpy(), expected[k], rtol=2e-5, atol=1e-6, err_msg=k)


@pytest.mark.parametrize(
    "option", ["adamw", "rmsprop", "lion", "adafactor", "lamb", "radam", "lazy_adam", "nadam", "ftrl"]
)
def test_each_group_is_trained_as_by_a_keras_optimizer_of_its_own(variables, option):
    arguments = {"learning_rate": RATE, "weight_decay": 0.1}
    alone = {k: keras.Variable(v.numpy(), name=k[-4:]) for k, v in variables.items()}
    own = {
        k: trainrun.build(
            "optimizer", option, **arguments | {"learning_rate": RATE * SCALE[k], "weight_decay": DECAY[k]}
        )
        for k in SHAPES
    }
    together = trainrun.build("optimizer", option, **arguments)
    _groups.apply([*replicas.leaves(together)], GROUPS, variables)
    for listed in gradients():
        together.apply([tf.constant(g) for g in listed], list(variables.values()))
        for (k, variable), g in zip(alone.items(), listed, strict=True):
            own[k].apply([tf.constant(g)], [variable])
    for k, v in variables.items():
        np.testing.assert_allclose(v.numpy(), alone[k].numpy(), rtol=1e-5, atol=1e-6, err_msg=k)


def test_a_wrapper_scales_the_optimizer_inside_it_and_takes_no_decay_of_a_group(variables):
    alone = {k: keras.Variable(v.numpy(), name=k[-4:]) for k, v in variables.items()}
    groups = {k: {"scale": s} for k, s in SCALE.items()}
    together = trainrun.build("optimizer", "lookahead", learning_rate=RATE)
    own = {k: trainrun.build("optimizer", "lookahead", learning_rate=RATE * SCALE[k]) for k in SHAPES}
    _groups.apply([*replicas.leaves(together)], groups, variables)
    for listed in gradients() * 2:
        together.apply([tf.constant(g) for g in listed], list(variables.values()))
        for (k, variable), g in zip(alone.items(), listed, strict=True):
            own[k].apply([tf.constant(g)], [variable])
    for k, v in variables.items():
        np.testing.assert_allclose(v.numpy(), alone[k].numpy(), rtol=1e-5, atol=1e-6, err_msg=k)
    with pytest.raises(UserError, match="Lookahead wraps other optimizers"):
        _groups.apply([*replicas.leaves(trainrun.build("optimizer", "lookahead"))], GROUPS, variables)


def test_keras_multi_optimizer_of_a_plugin_is_refused_with_the_way_out():
    with lookup.isolated():

        @trainrun.register("optimizer", "two")
        def two(learning_rate: float = 0.1):
            first = keras.optimizers.SGD(learning_rate)
            return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(first))

        with pytest.raises(UserError, match="optimizer=multi"):
            trainrun.build("optimizer", "two")
