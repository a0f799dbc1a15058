"""Bridges between forms of labels and predictions: what the data has, what a loss or metric reads.

Labels are converted once, in numpy, to the form that the loss wants (`encode`). A metric that wants another
form, or another form of predictions than the model gives, is wrapped (`adapt`), so that any metric goes
with any loss that fits the task:

    form = choose(option.directives["labels"], target)              # of the loss
    y, w = encode(split.y, target, form), weights(split.y, target, split.weight)
    mine = choose(metric_option.directives["labels"], target, prefer=form)
    reads = metric_option.directives["predictions"]
    given = arguments(target, mine, "logits", reads, weighted=w is not None)
    metric = construct("metric", spec, name=key, **given)
    metric = adapt(metric, target, labels=(form, mine), predictions=("logits", reads))

Labels of -1 and 1 are no form of their own: Keras' hinges make them of 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

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
    """Return the form of labels that suits both a directive and the target.

    Args:
        labels: the words of ``@labels``, the author's favourite first; empty: no demand.
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
        reads: the words of its ``@predictions``.
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


def adapt(
    metric: keras.metrics.Metric,
    target: TargetSpec,
    labels: tuple[str, str],
    predictions: tuple[str, Sequence[str]],
) -> keras.metrics.Metric:
    """Return the metric, wrapped in `Adapted` only if something has to be converted.

    Args:
        metric: what is to be measured.
        target: the data's target.
        labels: the form that the batches hold, and the form that the metric reads (from `choose`).
        predictions: what the model gives, and the words of the metric's ``@predictions``.
    """
    have, want = labels
    given, reads = predictions
    read = _reading(given, reads, target.kind)
    adapted = Adapted(
        metric,
        kind=target.kind,
        labels=(have, have if want == "any" else want),
        predictions=(given, read),
        classes=max(len(target.classes), target.outputs),
        flat=len(target.shape),
    )
    return adapted if adapted.does_something else metric


def _reading(given: str, reads: Sequence[str], kind: str) -> str:
    """Return the form of predictions to hand over: as they are if that will do, else the first wanted."""
    if not reads or given in reads or "any" in reads:
        return given
    # "real probabilities" means probabilities where the target is classes.
    return next((word for word in reads if (word == "real") == (kind == "real")), reads[0])


@keras.saving.register_keras_serializable("trainrun")
class Adapted(keras.metrics.Metric):
    """A metric that is given labels and predictions in another form than it reads.

    Conversions are made in the graph, batch by batch. A result with one value a class or output (F1 with
    `average: null`, R² with `class_aggregation: null`, several thresholds) becomes its mean, since a log
    holds one number a name; a dict passes as it is. `Mean` and `Sum` are given the predictions.

    Args:
        metric: the metric inside; its state, name and dtype are this one's.
        kind: the kind of target: ``binary``, ``multiclass``, ``multilabel``, ``real`` or ``none``.
        labels: form given, form read: ``ids``, ``one_hot``, ``binary``, ``real``, ``any``.
        predictions: form given (``probabilities``, ``logits``, ``scores``, ``real``), form read (these or
            ``ids``). Logits and scores become probabilities by sigmoid (one output, several labels) or
            softmax; those become ids by the highest or, for a single output, by 0.5; probabilities become
            scores by log-odds or log.
        classes: number of classes, for one-hot labels.
        flat: number of axes over which a label repeats (2 for images segmented): they are merged with the
            batch axis, and an example's weight is given to each of its labels.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        kind: str,
        labels: Sequence[str],
        predictions: Sequence[str],
        classes: int = 1,
        flat: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or metric.name, dtype=dtype or metric.dtype)
        self.metric = metric
        self.kind = kind
        self.labels = tuple(labels)
        self.predictions = tuple(predictions)
        self.classes = classes
        self.flat = flat
        if hasattr(metric, "_direction"):
            # Keras' early stopping reads it to tell whether more is better.
            self._direction = metric._direction

    @property
    def does_something(self) -> bool:
        """Whether the metric inside would not do as well without this one."""
        same = self.labels[0] == self.labels[1] and self.predictions[0] == self.predictions[1]
        return not same or self.flat > 0 or _reads_values(self.metric) or _may_be_vector(self.metric)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Convert a batch and hand it to the metric inside.

        Args:
            y_true: labels in the form `labels[0]`.
            y_pred: the model's output in the form `predictions[0]`.
            sample_weight: None or one weight an example, `[batch]`; with `flat` also one a label.
        """
        y_true = self._labels(ops.convert_to_tensor(y_true))
        y_pred = self._predictions(ops.convert_to_tensor(y_pred))
        if self.flat:
            y_true, y_pred, sample_weight = self._flattened(y_true, y_pred, sample_weight)
        if _reads_values(self.metric):
            self.metric.update_state(y_pred, sample_weight=sample_weight)
        elif sample_weight is None:
            self.metric.update_state(y_true, y_pred)
        else:
            self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def _labels(self, y: Any) -> Any:
        have, want = self.labels
        if have == want or self.kind not in ("binary", "multiclass"):
            return y
        if have == "one_hot":
            ids = ops.argmax(y, axis=-1)
        else:
            ids = ops.cast(ops.squeeze(y, -1) if have == "binary" else y, "int32")
        if want == "one_hot":
            return ops.one_hot(ids, self.classes, dtype=keras.config.floatx())
        if want == "binary":
            return ops.cast(ops.expand_dims(ids, -1), keras.config.floatx())
        return ids

    def _predictions(self, y: Any) -> Any:
        have, want = self.predictions
        margins = ("logits", "scores")
        if have == want or (have in margins and want in margins) or self.kind in ("real", "none"):
            return y
        # Not the metric's dtype: the IoUs count in int.
        y = ops.cast(y, keras.config.floatx())
        single = self.kind in ELEMENTWISE
        if want == "ids":
            if not single:
                return ops.argmax(y, axis=-1)
            yes = ops.cast(y > (0.0 if have in margins else 0.5), "int32")
            return ops.squeeze(yes, -1) if self.kind == "binary" else yes
        if have in margins and want == "probabilities":
            return ops.sigmoid(y) if single else ops.softmax(y, axis=-1)
        if have == "probabilities" and want in margins:
            tiny = keras.config.epsilon()
            y = ops.clip(y, tiny, 1.0 - tiny)
            return ops.log(y) - ops.log(1.0 - y) if single else ops.log(y)
        return y

    def _flattened(self, y_true: Any, y_pred: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return labels, predictions and weights with the repeating axes merged into the batch axis."""
        spread = ops.shape(y_pred)[: self.flat + 1]
        if weight is not None:
            weight = ops.convert_to_tensor(weight)
            missing = self.flat + 1 - len(weight.shape)
            weight = ops.reshape(weight, [*ops.shape(weight), *[1] * missing])
            weight = ops.reshape(ops.broadcast_to(weight, spread), [-1])
        return self._merged(y_true), self._merged(y_pred), weight

    def _merged(self, y: Any) -> Any:
        rest = y.shape[self.flat + 1 :]
        return ops.reshape(y, [-1, *rest])

    def result(self) -> Any:
        result = self.metric.result()
        return result if isinstance(result, dict) or len(result.shape) == 0 else ops.mean(result)

    def reset_state(self) -> None:
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "metric": keras.saving.serialize_keras_object(self.metric),
            "kind": self.kind,
            "labels": list(self.labels),
            "predictions": list(self.predictions),
            "classes": self.classes,
            "flat": self.flat,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Adapted:
        return cls(**{**config, "metric": keras.saving.deserialize_keras_object(config["metric"])})


def _reads_values(metric: keras.metrics.Metric) -> bool:
    """Return whether `update_state` takes values instead of labels and predictions."""
    return type(metric) in (keras.metrics.Mean, keras.metrics.Sum)


def _may_be_vector(metric: keras.metrics.Metric) -> bool:
    """Return whether the result may hold one value a class, output or threshold."""
    foreign = not type(metric).__module__.startswith(("keras.", "trainrun."))
    several = len(getattr(metric, "thresholds", None) or ()) > 1 and not hasattr(metric, "num_thresholds")
    return foreign or several or any(getattr(metric, k, "") is None for k in ("average", "class_aggregation"))
