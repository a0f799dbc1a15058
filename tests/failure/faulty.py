"""A plug-in whose parts fail on purpose, each in one way; the tests copy it beside the run."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import trainrun
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec

EXAMPLES, FEATURES = 96, 6
MARK = 7.0  # a label that stands for: here it goes wrong


@trainrun.register("data", "marked")
def marked(at: int = 41, where: str = "label", seed: int = 0) -> Dataset:
    """A linear function; one training example is marked, in its label or by an infinite input."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((EXAMPLES + 32, FEATURES)).astype("float32")
    y = (x @ np.linspace(-1, 1, FEATURES).astype("float32"))[:, None] * 0.1
    if where == "label":
        y[at] = MARK
    elif where == "input":
        x[at, 2] = np.inf
    elif where == "validation":
        y[EXAMPLES + 3] = MARK
    return Dataset(
        name="marked",
        task="regression",
        inputs=(InputSpec("x", "numeric", (FEATURES,)),),
        target=TargetSpec("real"),
        train=Split(x[:EXAMPLES], y[:EXAMPLES]),
        validation=Split(x[EXAMPLES:], y[EXAMPLES:]),
    )


def squares(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred - tf.cast(y_true, y_pred.dtype)), axis=-1)


@trainrun.register("loss", "nan_at_mark")
def nan_at_mark(y_true, y_pred):
    """Squared error, and nan for the marked example."""
    at_mark = tf.reduce_any(y_true == MARK, axis=-1)
    return tf.where(at_mark, tf.math.log(-tf.ones_like(y_pred[..., 0])), squares(y_true, y_pred))


@trainrun.register("loss", "steep_at_mark")
def steep_at_mark(y_true, y_pred):
    """Squared error, whose gradient is nan for the marked example: a root at zero."""
    at_mark = tf.cast(tf.reduce_any(y_true == MARK, axis=-1), y_pred.dtype)
    inside = tf.reduce_mean(tf.square(y_pred), axis=-1) * (1 - at_mark)
    return squares(y_true, y_pred) + 1e-3 * tf.sqrt(inside)


@trainrun.register("layer", "Hungry")
@keras.saving.register_keras_serializable("faulty")
class Hungry(keras.layers.Layer):
    """Takes no more than so many examples at once while training."""

    def __init__(self, most: int = 8, **more):
        super().__init__(**more)
        self.most = most

    def call(self, x, training=False):
        if not training:
            return x
        size = tf.shape(x)[0]

        def take(n):
            if n > self.most:
                raise tf.errors.ResourceExhaustedError(
                    None, None, f"OOM when allocating tensor with shape[{n}]"
                )
            return np.int32(n)

        taken = tf.numpy_function(take, [size], tf.int32)
        with tf.control_dependencies([taken]):
            return tf.identity(x)

    def get_config(self):
        return {**super().get_config(), "most": self.most}


lost_until = {"count": 0}


@trainrun.register("callback", "lost")
def lost(times: int = 1):
    """Loses a device at the end of epoch 2, so many times; the test resets `lost_until`."""

    class Lost(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1 and lost_until["count"] < times:
                lost_until["count"] += 1
                raise tf.errors.UnavailableError(None, None, "device GPU:0 is gone")

    return Lost()


@trainrun.register("loss", "mistaken")
def mistaken(y_true, y_pred):
    """Has a bug, two calls deep."""
    return inner(y_true, y_pred)


def inner(y_true, y_pred):
    return squares(y_true, y_pred) * unknown_name  # noqa: F821


@trainrun.register("layer", "Mistaken")
@keras.saving.register_keras_serializable("faulty")
class Mistaken(keras.layers.Layer):
    """Has a bug that shows when a step on a whole batch is computed."""

    def call(self, x):
        def refuse(value):
            if len(value) > 7:
                raise ValueError("the layer has a bug")
            return value

        if isinstance(x, keras.KerasTensor):
            return x
        return tf.ensure_shape(tf.numpy_function(refuse, [x], tf.float32), x.shape)


@trainrun.register("step", "whole")
def whole(model, x, y, weight, share):
    """The default step, as one of the user's own."""
    from trainrun.step.default import default

    return default(model, x, y, weight, share)


@trainrun.register("callback", "greedy")
def greedy():
    """From epoch 3 on, the memory suffices for half the batch."""

    class Greedy(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2 and "train_step" not in vars(self.model):
                raise tf.errors.InternalError(None, None, "XLA: RESOURCE_EXHAUSTED: out of memory")

    return Greedy()


@trainrun.register("callback", "filler")
def filler(path: str = "", epoch: int = 2):
    """Fills the disk that a file lies on at the end of an epoch; once in a working directory."""

    class Filler(keras.callbacks.Callback):
        def on_epoch_end(self, done, logs=None):
            if done + 1 != epoch or Path("filled").exists():
                return
            Path("filled").touch()
            for size in (65536, 1):
                try:
                    with open(path, "ab", buffering=0) as file:
                        while True:
                            file.write(b"x" * size)
                except OSError:
                    pass

    return Filler()
