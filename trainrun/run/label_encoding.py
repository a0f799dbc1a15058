"""The forms of labels: chosen by the declaration of a loss or metric, encoded once, in numpy.

A metric that reads another form than the loss does is wrapped (`trainrun.run.metric_adapter`):

    form = choose(loss_demands.labels, target)
    y, w = encode(split.y, target, form), weights(split.y, target, split.weight)
    metric_form = choose(metric_demands.labels, target, prefer=form)
    reads = metric_demands.predictions
    runtime = arguments(target, metric_form, "logits", reads, weighted=w is not None)
    metric = construct("metric", spec, name=key, **runtime)
    metric = adapt(metric, target, labels=(form, metric_form), predictions=("logits", reads))

Labels of -1 and 1 are not a form of their own: Keras' hinge losses convert 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from trainrun.data.dataset import TargetSpec
from trainrun.errors import UserError

# The forms that each kind of target can take, the natural one first.
FORMS = {
    "binary": ("binary", "ids"),
    "multiclass": ("ids", "one_hot"),
    "multilabel": ("binary", "one_hot"),
    "real": ("real",),
    "none": ("any",),
}
# Kinds of target whose outputs are binary each (sigmoid), instead of one class of several (softmax).
ELEMENTWISE = ("binary", "multilabel")


def choose(labels: Sequence[str], target: TargetSpec, prefer: str | None = None) -> str:
    """Return a form of labels that the component accepts and the target can take.

    Args:
        labels: the forms that the component declares, the preferred one first; empty: any.
        target: the data's target.
        prefer: the form that the batches hold already; it is chosen if the component accepts it, which saves a
            conversion.

    Returns:
        ``ids``, ``one_hot``, ``binary``, ``real`` or ``any`` (the labels as they are).

    Raises:
        UserError: none of the forms suits.
    """
    fits = FORMS[target.kind]
    if not labels or "any" in labels or target.kind == "none":
        return prefer or "any"
    if target.kind == "binary" and "binary" in labels:
        # With one output, ids would be read by an argmax over it, which is always 0.
        return "binary"
    if prefer in labels and prefer in fits:
        return prefer
    for word in labels:
        if word in fits:
            return word
    raise UserError(
        f"expected labels as {' or '.join(labels)}, but a {target.kind} target has labels as "
        f"{' or '.join(fits)}. "
        "`trainrun ls loss` and `trainrun ls metric` show which ones fit."
    )


def encode(y: np.ndarray, target: TargetSpec, form: str) -> np.ndarray:
    """Return a dataset's labels in the form that a loss reads.

    Args:
        y: labels as `TargetSpec.kind` says: class ids `[n, *shape]`, 0/1 `[n, classes]`, or real `[n,
            outputs]`.
        target: the data's target.
        form: ``ids`` int64 `[n, *shape]`; ``one_hot`` float32 `[n, *shape, classes]`; ``binary`` float32
            `[n, *shape, 1]` (multi-label: `[n, classes]`); ``real`` float32 `[n, outputs]`; ``any``:
            unchanged.

    Raises:
        UserError: the target cannot take that form, or an id is outside the classes.
    """
    y = np.asarray(y)
    if form == "any" or target.kind == "none":
        return y
    if form not in FORMS[target.kind]:
        raise UserError(
            f"a {target.kind} target cannot be encoded as {form}, only as {' or '.join(FORMS[target.kind])}."
        )
    if target.kind == "multilabel":
        return y.astype("float32")
    if target.kind == "real":
        return (y[:, None] if y.ndim == 1 else y).astype("float32", copy=False)
    if form == "ids":
        return y.astype("int64")
    if form == "binary":
        return y[..., None].astype("float32")
    count = max(len(target.classes), target.outputs)
    if y.size and (y.min() < 0 or y.max() >= count):
        raise UserError(
            f"class ids run from {y.min()} to {y.max()}, one-hot labels hold 0 to {count - 1}. "
            "Take a loss that reads ids and has ignore_class, or correct the data."
        )
    return np.eye(count, dtype="float32")[y]


def weights(
    y: np.ndarray,
    target: TargetSpec,
    weight: np.ndarray | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> np.ndarray | None:
    """Return the weight of each label: the weight of its example times the weight of its class.

    Keras' `fit(class_weight=...)` supports neither images of labels nor batches of arrays.

    Args:
        y: labels as in the dataset, before `encode`.
        target: the data's target.
        weight: one weight per example, `[n]`, or per label, `[n, *shape]`; None: all 1.
        class_weight: class id -> weight; other classes weigh 1.

    Returns:
        float32 `[n, *shape]`, because Keras would broadcast `[n]` along an image's last axis; None if both are None.

    Raises:
        UserError: class weights for a target without single classes, or for a class that does not exist.
    """
    if weight is None and class_weight is None:
        return None
    shape = (len(y), *target.shape)
    product = np.ones(shape, "float32")
    if weight is not None:
        weight = np.asarray(weight, "float32")
        product *= weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim))
    if class_weight is not None:
        count = max(len(target.classes), target.outputs)
        if target.kind not in ("binary", "multiclass"):
            raise UserError(f"class weights need one class an example; a {target.kind} target has none.")
        if stray := [k for k in class_weight if not 0 <= int(k) < count]:
            raise UserError(f"class weight for class {stray[0]}: the classes are 0 to {count - 1}.")
        table = np.ones(count, "float32")
        table[[int(k) for k in class_weight]] = list(class_weight.values())
        product *= table[np.asarray(y).reshape(shape)]
    return product


def arguments(
    target: TargetSpec, labels: str, predictions: str, reads: Iterable[str], weighted: bool = False
) -> dict[str, Any]:
    """Return the run-time arguments of a loss or metric for `construct`, which sets those that are null in its YAML.

    Args:
        target: the data's target.
        labels: the form of labels that it will receive.
        predictions: the model's output: ``probabilities``, ``logits``, ``scores`` or ``real``.
        reads: the forms of predictions that it declares.
        weighted: whether examples have weights of their own.
    """
    runtime: dict[str, Any] = {
        "labels": labels,
        "num_classes": max(len(target.classes), target.outputs),
        "from_logits": predictions == "logits" and "logits" in reads,
        "elementwise": target.kind in ELEMENTWISE,
    }
    if target.kind in ELEMENTWISE:
        # Without a threshold, F1Score calls the highest output positive: with a single output, always that one.
        runtime["threshold"] = 0.5
    if weighted:
        # The IoU metrics accumulate integers by default, which would truncate a weight of 0.7 to 0.
        runtime["dtype"] = keras.config.floatx()
    return runtime
