"""The forms of labels: chosen by what a loss or metric reads, encoded once, in numpy.

A metric that reads another form than the loss is wrapped (`trainrun.run.metric_adapter`):

    form = choose(loss_demands.labels, target)
    y, w = encode(split.y, target, form), weights(split.y, target, split.weight)
    metric_form = choose(metric_demands.labels, target, prefer=form)
    reads = metric_demands.predictions
    runtime = arguments(target, metric_form, "logits", reads, weighted=w is not None)
    metric = construct("metric", spec, name=key, **runtime)
    metric = adapt(metric, target, labels=(form, metric_form), predictions=("logits", reads))

Labels of -1 and 1 are no form of their own: Keras' hinges convert 0 and 1.
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
# Kinds whose outputs are a yes or no each (sigmoid), not one class of several (softmax).
ELEMENTWISE = ("binary", "multilabel")


def choose(labels: Sequence[str], target: TargetSpec, prefer: str | None = None) -> str:
    """Return the form of labels that suits both a component's demand and the target.

    Args:
        labels: the forms that it declares, the author's favourite first; empty: no demand.
        target: the data's target.
        prefer: a form to take if it is among the words: what the batches hold already, which saves a
            conversion.

    Returns:
        ``ids``, ``one_hot``, ``binary``, ``real`` or ``any`` (the labels as they are).

    Raises:
        UserError: none of the words suits.
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
        f"labels as {' or '.join(labels)} are wanted, but a {target.kind} target comes as "
        f"{' or '.join(fits)}. "
        "`trainrun ls loss` and `trainrun ls metric` tell what fits."
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
            f"a {target.kind} target cannot be given as {form}, only as {' or '.join(FORMS[target.kind])}."
        )
    if target.kind == "multilabel":
        return y.astype("float32")
    if target.kind == "real":
        return (y[:, None] if y.ndim == 1 else y).astype("float32")
    if form == "ids":
        return y.astype("int64")
    if form == "binary":
        return y[..., None].astype("float32")
    count = max(len(target.classes), target.outputs)
    if y.size and (y.min() < 0 or y.max() >= count):
        raise UserError(
            f"class ids run from {y.min()} to {y.max()}, one-hot labels hold 0 to {count - 1}. "
            "Take a loss that reads ids and has ignore_class, or mend the data."
        )
    return np.eye(count, dtype="float32")[y]


def weights(
    y: np.ndarray,
    target: TargetSpec,
    weight: np.ndarray | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> np.ndarray | None:
    """Return the weight of each label: that of its example times that of its class.

    Keras' `fit(class_weight=...)` takes neither images of labels nor a batch of arrays; this does.

    Args:
        y: labels as the dataset has them, before `encode`.
        target: the data's target.
        weight: one weight an example, `[n]`, or a label, `[n, *shape]`; None: all 1.
        class_weight: class id -> weight; classes left out weigh 1.

    Returns:
        float32 `[n, *shape]`: Keras would multiply `[n]` with an image's last axis. None if both are None.

    Raises:
        UserError: class weights for a target without single classes, or for a class that does not exist.
    """
    if weight is None and class_weight is None:
        return None
    shape = (len(y), *target.shape)
    found = np.ones(shape, "float32")
    if weight is not None:
        weight = np.asarray(weight, "float32")
        found *= weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim))
    if class_weight is not None:
        count = max(len(target.classes), target.outputs)
        if target.kind not in ("binary", "multiclass"):
            raise UserError(f"class weights need one class an example; a {target.kind} target has none.")
        if stray := [k for k in class_weight if not 0 <= int(k) < count]:
            raise UserError(f"class weight for class {stray[0]}: the classes are 0 to {count - 1}.")
        table = np.ones(count, "float32")
        table[[int(k) for k in class_weight]] = list(class_weight.values())
        found *= table[np.asarray(y).reshape(shape)]
    return found


def arguments(
    target: TargetSpec, labels: str, predictions: str, reads: Iterable[str], weighted: bool = False
) -> dict[str, Any]:
    """Return a loss' or metric's run-time arguments for `construct`: used where its YAML says null.

    Args:
        target: the data's target.
        labels: the form of labels that it will be given.
        predictions: what the model gives: ``probabilities``, ``logits``, ``scores`` or ``real``.
        reads: the forms of predictions that it declares.
        weighted: whether examples have weights of their own.
    """
    found: dict[str, Any] = {
        "labels": labels,
        "num_classes": max(len(target.classes), target.outputs),
        "from_logits": predictions == "logits" and "logits" in reads,
        "elementwise": target.kind in ELEMENTWISE,
    }
    if target.kind in ELEMENTWISE:
        # F1Score without a threshold calls the highest output positive, which for a single output is always.
        found["threshold"] = 0.5
    if weighted:
        # The IoUs count in int unless told otherwise, and would cut a weight of 0.7 down to 0.
        found["dtype"] = keras.config.floatx()
    return found
