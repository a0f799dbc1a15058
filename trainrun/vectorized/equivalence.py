"""Check of a graph: the result of its step for a trial is compared with a separate step of that trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.model.variables import by_purpose
from trainrun.step.default import default
from trainrun.trainer.held_arrays import whole
from trainrun.vectorized import functional
from trainrun.vectorized.rows import Part
from trainrun.vectorized.shape import KINDS, Unfit, variables

# Tolerance relative to the change of a variable in the step: sums are computed in another order.
TOLERANCE = 1e-3
# Share of the largest gradient, and of the largest change, below which values are rounding errors.
NOISE = 1e-5


def check(part: Part, before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> None:
    """Compare the graph's step for a trial with a separate step; the trial's variables are restored afterwards.

    Args:
        part: of the trial, with one batch.
        before: values of all variables before the step.
        after: values of all variables after the graph's step.

    Raises:
        Unfit: the results differ.
    """
    noise = _noise(part)
    _put(part.model, before)
    _step(part)
    _compare(part.model, after, before, noise)
    _put(part.model, before)


def _batch(part: Part) -> list[Any]:
    examples = part.split.part(part.order)
    return tf.nest.map_structure(
        lambda a: None if a is None else tf.constant(np.asarray(whole(a))),
        [examples.x, examples.y, examples.weight],
    )


def _step(part: Part) -> None:
    """Take the trial's own step."""
    x, y, weight = _batch(part)
    part.model.reset_metrics()
    loss, y_pred = default(part.model, x, y, weight, 1.0)
    functional.measure(part.model, x, y, weight, y_pred, loss)


def _noise(part: Part) -> set[int]:
    """Return the ids of weights whose gradient is 0 except for rounding, such as the bias of the keys of an attention layer."""
    x, y, weight = _batch(part)
    weights = part.model.trainable_weights
    with tf.GradientTape() as tape:
        loss = part.model.compute_loss(x, y, part.model(x, training=True), weight, training=True)
    gradients = [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
    sizes = [0.0 if g is None else float(tf.reduce_max(tf.abs(g))) for g in gradients]
    return {id(w) for w, s in zip(weights, sizes, strict=True) if s <= NOISE * max(sizes)}


def _put(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)


def _compare(
    model: keras.Model, values: Sequence[np.ndarray], before: Sequence[np.ndarray], noise: set[int]
) -> None:
    """Compare values of the graph with the model's variables.

    Raises:
        Unfit: they differ.
    """
    at = iter(zip(values, before, strict=True))
    kinds = by_purpose(model)
    for of_kind in (kinds[k] for k in KINDS):
        each = [(v, *next(at)) for v in of_kind]
        moved = [
            float(np.abs(v.numpy() - old).max(initial=0.0)) if _is_real(old) else 0.0 for v, _, old in each
        ]
        for (variable, value, old), distance in zip(each, moved, strict=True):
            own = variable.numpy()
            if not _is_real(old):
                if not np.array_equal(own, value):
                    raise Unfit(f"{variable.path} differs after one step")
            elif id(variable) not in noise:
                floor = max(distance, max(moved) * NOISE, float(np.abs(own).max(initial=0.0)) * 1e-6, 1e-30)
                off = float(np.sqrt(np.mean((own.astype("float64") - value) ** 2))) if own.size else 0.0
                if not off <= TOLERANCE * floor:
                    raise Unfit(f"{variable.path} differs after one step (by {off / floor:.2g} of the step)")


def _is_real(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.floating)
