"""The probe: what one graph makes of a trial is held to the step that the trial takes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.model.variables import by_purpose
from trainrun.step.default import default
from trainrun.trainer.pipeline import whole
from trainrun.vectorized import functional
from trainrun.vectorized.rows import Part
from trainrun.vectorized.shape import KINDS, Unfit, variables

# Relative to how far a step moves a variable: the sum runs in another order, the rest is the same arithmetic.
CLOSE = 1e-3
# Of the largest gradient, and of the largest move: what is smaller is rounding.
NOISE = 1e-5


def hold(part: Part, before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> None:
    """Hold what the graph has made of a trial to a step of its own; its variables are as before afterwards.

    Args:
        part: the trial's, one batch.
        before, after: values of all variables.

    Raises:
        Unfit: they differ.
    """
    noise = _noise(part)
    _put(part.model, before)
    _alone(part)
    _hold(part.model, after, before, noise)
    _put(part.model, before)


def _batch(part: Part) -> list[Any]:
    examples = part.split.part(part.order)
    return tf.nest.map_structure(
        lambda a: None if a is None else tf.constant(np.asarray(whole(a))),
        [examples.x, examples.y, examples.weight],
    )


def _alone(part: Part) -> None:
    """Take a step as the trial takes it by itself."""
    x, y, weight = _batch(part)
    part.model.reset_metrics()
    loss, y_pred = default(part.model, x, y, weight, 1.0)
    functional.measure(part.model, x, y, weight, y_pred, loss)


def _noise(part: Part) -> set[int]:
    """Return the weights whose gradient is 0 but for rounding, as that of the bias of an attention's keys: by their id."""
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


def _hold(
    model: keras.Model, values: Sequence[np.ndarray], before: Sequence[np.ndarray], noise: set[int]
) -> None:
    """Hold what the graph has made of a trial to what the trial has come to by itself.

    Raises:
        Unfit: it is something else.
    """
    at = iter(zip(values, before, strict=True))
    kinds = by_purpose(model)
    for of_kind in (kinds[k] for k in KINDS):
        each = [(v, *next(at)) for v in of_kind]
        moved = [
            float(np.abs(v.numpy() - old).max(initial=0.0)) if _is_real(old) else 0.0 for v, _, old in each
        ]
        for (variable, value, old), distance in zip(each, moved, strict=True):
            alone = variable.numpy()
            if not _is_real(old):
                if not np.array_equal(alone, value):
                    raise Unfit(f"{variable.path} is another after one step")
            elif id(variable) not in noise:
                floor = max(distance, max(moved) * NOISE, float(np.abs(alone).max(initial=0.0)) * 1e-6, 1e-30)
                off = float(np.sqrt(np.mean((alone.astype("float64") - value) ** 2))) if alone.size else 0.0
                if not off <= CLOSE * floor:
                    raise Unfit(
                        f"{variable.path} is another after one step (by {off / floor:.2g} of the step)"
                    )


def _is_real(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.floating)
