"""A fixed number of optimizer steps on the whole training set, or on a function of variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_private
from trainrun.errors import UserError
from trainrun.trainer.gradient_loop import descend, descend_until
from trainrun.trainer.job import Job
from trainrun.util.arguments import Count


class Minimize:
    """Take a fixed number of optimizer steps, compiled into one graph.

    It replaces the method `minimize`, which optimizers of Keras 3 do not have: compute the gradients of the loss and apply them,
    `steps` times.

    Args:
        steps: number of steps; default 200.
    """

    def __init__(self, steps: Count = 200):
        self.steps = steps

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model` in place; the history has one entry with the loss, max |∂loss/∂w| and the number of steps."""
        return descend_until(job, callbacks, self.steps)


@dataclass(frozen=True)
class Minimum:
    """The result of `trainrun.minimize`.

    Args:
        values: values of the variables after the last step, in their order.
        history: value of the function before each step and after the last one, float64 `[steps + 1]`.
    """

    values: list[np.ndarray]
    history: np.ndarray

    @property
    def value(self) -> float:
        """The function's value after the last step."""
        return float(self.history[-1])


def descended(
    function: Callable[[], Any],
    variables: Sequence[Any],
    optimizer: keras.optimizers.Optimizer,
    steps: int,
) -> np.ndarray:
    """Take steps of an optimizer in one compiled graph; return the function's value before each and after the last.

    Args:
        function: its value is a scalar tensor.
        variables: `keras.Variable` or `tf.Variable`; changed in place.
        optimizer: a Keras optimizer.
        steps: number of steps.
    """
    optimizer.build(variables)

    @tf.function
    def run() -> tf.Tensor:
        values = tf.TensorArray(tf.float64, steps + 1)
        for step in tf.range(steps):
            value, _ = descend(function, variables, optimizer)
            values = values.write(step, tf.cast(value, tf.float64))
        return values.write(steps, tf.cast(function(), tf.float64)).stack()

    return run().numpy()


def minimized(
    function: Callable[..., Any],
    variables: Sequence[Any],
    optimizer: keras.optimizers.Optimizer,
    steps: int,
) -> Minimum:
    """Minimize a Python function; see `trainrun.minimize`.

    Raises:
        UserError: the function's arguments are not the variables, its value is not a scalar, or it does not depend on all
            variables.
    """
    made = [v if isinstance(v, keras.Variable | tf.Variable) else _variable(v) for v in variables]
    takes = len([p for p in inspect.signature(function).parameters.values() if p.default is p.empty])
    if takes not in (0, len(made)):
        raise UserError(
            f"the function takes {takes} arguments; expected none, or the {len(made)} variables in their order."
        )
    if takes == 0 and any(v is not new for v, new in zip(variables, made, strict=True)):
        raise UserError(
            "the function takes no arguments, so its variables have to be keras.Variable or tf.Variable; got an array. "
            "Let it take the variables, as in lambda x: …"
        )
    bound = partial(function, *made) if takes else function
    with tf.GradientTape() as tape:
        value = bound()
    if not tf.is_tensor(value) or value.shape.rank != 0 or not value.dtype.is_floating:
        raise UserError(
            f"the function returned {_described(value)}; expected one floating-point number, computed by keras.ops or tf."
        )
    gradients = tape.gradient(value, [keras_private.backing_variable(v) for v in made])
    if (at := next((i for i, g in enumerate(gradients) if g is None), None)) is not None:
        raise UserError(
            f"the function does not depend on variable {at}. Compute with keras.ops or tf, not numpy, or leave it out."
        )
    history = descended(bound, made, optimizer, steps)
    return Minimum([np.asarray(keras.ops.convert_to_numpy(v)) for v in made], history)


def _variable(value: Any) -> keras.Variable:
    array = np.asarray(value)
    dtype = (
        str(array.dtype)
        if array.dtype.kind == "f" and isinstance(value, np.ndarray)
        else keras.config.floatx()
    )
    return keras.Variable(array, dtype=dtype)


def _described(value: Any) -> str:
    return (
        f"a tensor {list(value.shape)} of {value.dtype.name}" if tf.is_tensor(value) else type(value).__name__
    )
