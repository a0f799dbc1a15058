"""Examination of one step: the first tensor in the order of computation that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.trainer.model_steps import as_tensors
from trainrun.util.finite import non_finite

INPUT, LABEL, WEIGHT, VARIABLE, LAYER, LOSS, PENALTY, GRADIENT, UPDATE, STEP = (
    "input", "label", "sample weight", "weight before the step", "layer", "loss", "penalty", "gradient",
    "updated weight", "step",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """The first tensor of a step that is not finite.

    Args:
        kind: one of the constants of this module.
        name: of the input, layer or variable.
        value: ``nan`` or ``inf``.
        rows: indices of the affected examples in the batch; empty if the value belongs to the whole batch.
        dtype: of the tensor.
    """

    kind: str
    name: str
    value: str
    rows: Sequence[int] = ()
    dtype: str = "float32"


@dataclass
class Examination:
    """The result of examining a step.

    Args:
        finding: the first tensor that is not finite; None: all are finite.
        layers: for each call of a layer, in order: name, class, largest finite magnitude, number of values not finite.
    """

    finding: Finding | None = None
    layers: list[dict[str, Any]] = field(default_factory=list)


def examine(
    model: keras.Model, x: Any, y: Any, weight: Any, parts: int = 1, updated: Sequence[Finding] = ()
) -> Examination:
    """Compute a step tensor by tensor, without its update; state of layers (averages, seeds) does change.

    Args:
        model: compiled, in the state before the step.
        x, y, weight: the batch, as numpy arrays.
        parts: examine the batch in so many parts, if the memory is too small for all of it.
        updated: the variables that are not finite after the step.
    """
    seen = Examination()
    size = len(keras.tree.flatten(y)[0])
    parts = min(parts, size)
    if (finding := _first(_inputs(x, y, weight, model))) is not None:
        seen.finding = finding
        return seen
    for i in range(parts):
        start, stop = i * size // parts, (i + 1) * size // parts
        part, labels, its_weight = keras.tree.map_structure(
            lambda a, p=slice(start, stop): None if a is None else a[p], (x, y, weight)
        )
        layers, finding = _computed(model, part, labels, its_weight)
        seen.layers = layers if not seen.layers or finding is not None else seen.layers
        if finding is not None:
            seen.finding = Finding(
                finding.kind, finding.name, finding.value, [r + start for r in finding.rows], finding.dtype
            )
            return seen
    seen.finding = next(iter(updated), None)
    return seen


def variables(named: Sequence[Any], kind: str) -> Iterator[Finding]:
    """Yield a finding for each variable that is not finite."""
    for variable in named:
        if (value := non_finite(array := keras.ops.convert_to_numpy(variable))) is not None:
            yield Finding(kind, variable.path, value, dtype=str(array.dtype))


def _inputs(x: Any, y: Any, weight: Any, model: keras.Model) -> Iterator[Finding | None]:
    """Yield the findings in the batch and in the variables before the step."""
    for kind, usual, arrays in ((INPUT, "x", x), (LABEL, "y", y), (WEIGHT, "sample_weight", weight)):
        named = arrays if isinstance(arrays, Mapping) else {usual: arrays}
        yield from (_of(kind, name, array) for name, array in named.items() if array is not None)
    yield from variables(model.variables, VARIABLE)


def _computed(model: keras.Model, x: Any, y: Any, weight: Any) -> tuple[list[dict], Finding | None]:
    """Return statistics of the layers' outputs and the first tensor that is not finite, by an eager computation."""
    layers: list[dict[str, Any]] = []
    findings: list[Finding] = []

    def look(layer: keras.layers.Layer, output: Any) -> None:
        # Inside a loop that is compiled nevertheless, as in a recurrent layer, tensors have no values.
        outputs = [t for t in keras.tree.flatten(output) if tf.is_tensor(t) and hasattr(t, "numpy")]
        tensors = [t for t in outputs if t.dtype.is_floating]
        arrays = [t.numpy().astype("float64") for t in tensors]
        finite = [float(np.abs(a[np.isfinite(a)]).max()) for a in arrays if np.isfinite(a).any()]
        layers.append(
            {
                "name": layer.name,
                "class": type(layer).__name__,
                "largest": max(finite, default=None),
                "not_finite": int(sum((~np.isfinite(a)).sum() for a in arrays)),
            }
        )
        for tensor, array in zip(tensors, arrays, strict=True):
            if (finding := _of(LAYER, layer.name, array, tensor.dtype.name)) is not None:
                findings.append(finding)

    with _watched(model, look), tf.GradientTape() as tape:
        x, labels, weights = as_tensors(x, y, weight)
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, labels, y_pred, weights, training=True)
    if findings:
        return layers, findings[0]
    for name, loss_of_output in model.loss.items() if isinstance(model.loss, Mapping) else [("", model.loss)]:
        of_output = [tree[name] if isinstance(tree, Mapping) else tree for tree in (labels, y_pred, weights)]
        if (finding := _of_loss(name, loss_of_output, *of_output)) is not None:
            return layers, finding
    for variable in model.trainable_variables:
        if getattr(variable, "regularizer", None) is not None:
            value = non_finite(keras.ops.convert_to_numpy(variable.regularizer(variable)))
            if value is not None:
                return layers, Finding(PENALTY, variable.path, value)
    if (value := non_finite(loss)) is not None:
        return layers, Finding(LOSS, "", value)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        if gradient is None:
            continue
        if (value := non_finite(tf.convert_to_tensor(gradient))) is not None:
            return layers, Finding(GRADIENT, variable.path, value)
    return layers, None


def _of_loss(name: str, loss: Any, y: Any, y_pred: Any, weight: Any) -> Finding | None:
    """Return a finding in an output's losses of the examples, if the loss is a sum over them."""
    try:
        if isinstance(loss, keras.losses.Loss):
            labels = keras.ops.convert_to_tensor(y, dtype=loss.dtype)
            losses = loss.call(labels, keras.ops.convert_to_tensor(y_pred, dtype=loss.dtype))
        elif callable(loss):
            losses = loss(y, y_pred)
        else:
            return None
        array = np.asarray(losses)
    except (
        Exception
    ):  # the loss of a plug-in may need other arguments; the loss of the whole batch is examined next
        return None
    if array.ndim and len(array) == len(y):
        return _of(LOSS, name, array if weight is None else (array.T * np.asarray(weight)).T)
    return None


@contextmanager
def _watched(model: keras.Model, look: Callable[[Any, Any], None]) -> Iterator[None]:
    """Call `look` with each layer and its output as soon as that is computed; inner layers come before outer ones.

    Keras has no hook for a layer's output, so `call` is replaced on the instances; the model is one of the search's own.
    """
    layers = list(keras_model_private.all_layers(model, include_self=False))
    changed = []
    for layer in layers:
        if isinstance(layer, keras.Model | keras.layers.InputLayer) or "call" in vars(layer):
            continue

        def call(*args: Any, _layer: Any = layer, _call: Any = layer.call, **kwargs: Any) -> Any:
            output = _call(*args, **kwargs)
            look(_layer, output)
            return output

        object.__setattr__(layer, "call", call)
        changed.append(layer)
    try:
        yield
    finally:
        for layer in changed:
            object.__delattr__(layer, "call")


def _of(kind: str, name: str, array: Any, dtype: str | None = None) -> Finding | None:
    """Return a finding if an array, whose first axis is that of the examples, is not finite."""
    array = np.asarray(array)
    if (value := non_finite(array)) is None:
        return None
    bad = ~np.isfinite(array)
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)).tolist() if bad.ndim else []
    return Finding(kind, name, value, rows, dtype or str(array.dtype))


def _first(findings: Iterator[Finding | None]) -> Finding | None:
    return next((f for f in findings if f is not None), None)
