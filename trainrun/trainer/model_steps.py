"""Steps that a model defines itself: `train_step` and `test_step` of a subclassed `keras.Model`."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data.dataset import Split
from trainrun.model.variables import untouched


def is_own(model: keras.Model, name: str) -> bool:
    """Return whether a model's class overrides a method of `keras.Model`, such as ``train_step``."""
    return getattr(type(model), name) is not getattr(keras.Model, name)


def takes_own(model: keras.Model, step: str) -> bool:
    """Return whether ``train_step`` or ``test_step`` of a model has to be called, because it, or `compute_metrics`, which it returns, is overridden."""
    return is_own(model, step) or is_own(model, "compute_metrics")


def logs_loss(model: keras.Model, step: str) -> bool:
    """Return whether a step of the model's own may log what `compute_loss` returns as it is, not times the number of replicas."""
    return is_own(model, step) and not _calls(model, step, "num_replicas_in_sync")


def _calls(model: keras.Model, method: str, name: str) -> bool:
    """Return whether a model's method names a function or method, or has no source to tell."""
    code = getattr(inspect.unwrap(getattr(type(model), method)), "__code__", None)
    return code is None or name in code.co_names


def can_test(model: keras.Model) -> bool:
    """Return whether a compiled model's `test_step` can work: one of its own, or Keras', which needs a loss."""
    own = is_own(model, "test_step") or is_own(model, "compute_loss")
    return own or model.loss is not None or bool(model.losses)


def batch_of(x: Any, y: Any, weight: Any) -> Any:
    """Return a batch as Keras passes it to a step: `x` without labels, `(x, y)` without sample weights, else `(x, y, weight)`."""
    return keras.utils.pack_x_y_sample_weight(x, y, weight)


def as_tensors(x: Any, y: Any, weight: Any = None) -> tuple:
    """Return a batch as tensors, `(x, y, weight)`; the weights may be None."""
    return tf.nest.map_structure(lambda a: None if a is None else tf.convert_to_tensor(a), (x, y, weight))


def refusal(model: keras.Model, trainer: str, honours: bool, accumulate: int, replicas: int) -> str | None:
    """Return the reason why a trainer cannot use the model's own `train_step`, or None if it can or there is none.

    Args:
        model: compiled.
        trainer: name of the trainer.
        honours: whether the trainer calls the model's own steps.
        accumulate: number of parts of each batch.
        replicas: number of replicas that share a batch.
    """
    if replicas > 1 and is_own(model, "compute_loss") and not _calls(model, "compute_loss", "compute_loss"):
        return (
            f"{type(model).__name__} has a compute_loss of its own, which takes the mean of its replica's examples, and {replicas} replicas "
            f"would add these up: {replicas} times the learning rate. Let it call super().compute_loss, or train on one device."
        )
    if not takes_own(model, "train_step"):
        return None
    method = "train_step" if is_own(model, "train_step") else "compute_metrics"
    own = f"{type(model).__name__} has a {method} of its own, "
    if not honours:
        return f"{own}which trainer={trainer} does not call. Take trainer=fit, train_on_batch or custom."
    if accumulate > 1:
        return f"{own}which takes the whole batch. Set trainer.accumulate=1."
    if replicas > 1 and trainer != "fit":
        return f"{own}which trainer={trainer} calls on one device only. Take one device, or hardware=mirrored and trainer=fit."
    if replicas > 1 and method == "train_step" and not _calls(model, "train_step", "compute_loss"):
        return (
            f"{own}which takes the mean of its replica's examples, and {replicas} replicas would add these up: {replicas} times "
            "the learning rate. Let it call self.compute_loss, or train on one device."
        )
    return None


def undivided_loss(model: keras.Model, part: Split, predicted: Any) -> str | None:
    """Return what is wrong with a `compute_loss` of which a part is not divided by the number of replicas, as Keras divides the rest, or None.

    The replicas would add it up. It is called with a few examples on one device and as a replica.

    Args:
        model: compiled.
        part: a few examples.
        predicted: the model's output for them.
    """
    strategy = model.distribute_strategy
    replicas = strategy.num_replicas_in_sync
    if replicas == 1 or not logs_loss(model, "compute_loss"):
        return None
    x, y, weight = as_tensors(part.x, part.y, part.weight)
    losses = []
    for scope in (contextlib.nullcontext, contextlib.nullcontext, strategy.scope):
        with scope(), untouched(model):
            losses.append(float(model.compute_loss(x, y, predicted, weight, training=True)))
    first, again, of_replica = losses
    # One that draws numbers cannot be compared.
    if not np.isclose(first, again, rtol=1e-5) or np.isclose(first, of_replica * replicas, rtol=1e-4):
        return None
    return (
        f"what compute_loss of {type(model).__name__} adds to super().compute_loss would count {replicas} times, once for each of {replicas} "
        "replicas. Divide it by tf.distribute.get_strategy().num_replicas_in_sync, or let self.add_loss in call do it."
    )
