"""Wrapper for metrics that read other forms of labels or predictions than the batches hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from trainrun.compat import keras_metric_private
from trainrun.data.dataset import TargetSpec
from trainrun.run.label_encoding import ELEMENTWISE


def adapt(
    metric: keras.metrics.Metric,
    target: TargetSpec,
    labels: tuple[str, str],
    predictions: tuple[str, Sequence[str]],
    mixed: bool = False,
) -> keras.metrics.Metric:
    """Return the metric, wrapped in `Adapted` if something has to be converted.

    Args:
        metric: an unwrapped Keras metric.
        target: the data's target.
        labels: the form that the batches hold, and the form that the metric reads (from `choose`).
        predictions: the form of the model's output, and the forms that the metric declares.
        mixed: labels may be shares of classes.
    """
    have, want = labels
    output, reads = predictions
    read = _reading(output, reads, target.kind)
    adapted = Adapted(
        metric,
        kind=target.kind,
        labels=(have, have if want == "any" else want),
        predictions=(output, read),
        classes=max(len(target.classes), target.outputs),
        flat=len(target.shape),
        mixed=mixed and target.kind in ("binary", "multiclass", "multilabel"),
    )
    return adapted if adapted.is_needed else metric


def _reading(output: str, reads: Sequence[str], kind: str) -> str:
    """Return the form of predictions for the metric: the model's own if it is declared, else the first declared one."""
    if not reads or output in reads or "any" in reads:
        return output
    # "real probabilities" means probabilities where the target is classes.
    return next((word for word in reads if (word == "real") == (kind == "real")), reads[0])


@keras.saving.register_keras_serializable("trainrun")
class Adapted(keras.metrics.Metric):
    """A metric wrapper that converts labels and predictions to the forms that the metric reads.

    Conversions happen in the graph, batch by batch. A result with one value per class or output (F1 with
    `average: null`, R² with `class_aggregation: null`, several thresholds) becomes its mean, because a log holds one number
    per name; a dict passes unchanged. `Mean` and `Sum` get the predictions. The area under a ROC curve is NaN while all
    examples are of one class, as scikit-learn's; Keras has 0.

    Args:
        metric: the wrapped metric, which gives state, name and dtype.
        kind: the kind of target: ``binary``, ``multiclass``, ``multilabel``, ``real`` or ``none``.
        labels: form in the batches, form that is read: ``ids``, ``one_hot``, ``binary``, ``real``, ``any``.
        predictions: form of the output (``probabilities``, ``logits``, ``scores``, ``real``), form that is read (these or
            ``ids``). Logits and scores become probabilities by sigmoid (one output, several labels) or softmax;
            probabilities become ids by the highest or, for a single output, by 0.5, and scores by log-odds or log.
        classes: number of classes, for one-hot labels.
        flat: number of axes over which a label repeats (2 for segmented images): they are merged with the batch axis, and
            each label gets the weight of its example.
        mixed: labels may be shares of classes, as an augmentation mixes them: the class with the largest share is the label.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        kind: str,
        labels: Sequence[str],
        predictions: Sequence[str],
        classes: int = 1,
        flat: int = 0,
        mixed: bool = False,
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
        self.mixed = mixed
        keras_metric_private.copy_direction(metric, self)

    @property
    def is_needed(self) -> bool:
        """Whether the wrapped metric would not give the same without this wrapper."""
        same = self.labels[0] == self.labels[1] and self.predictions[0] == self.predictions[1]
        odd = (_reads_values, _may_be_vector, _is_roc)
        return not same or self.flat > 0 or self.mixed or any(holds(self.metric) for holds in odd)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Convert a batch and update the wrapped metric.

        Args:
            y_true: labels in the form `labels[0]`.
            y_pred: the model's output in the form `predictions[0]`.
            sample_weight: None or one weight an example, `[batch]`; with `flat` also one a label.
        """
        y_true = self._labels(self._whole(ops.convert_to_tensor(y_true)))
        y_pred = self._predictions(ops.convert_to_tensor(y_pred))
        if self.flat:
            y_true, y_pred, sample_weight = self._flattened(y_true, y_pred, sample_weight)
        if _reads_values(self.metric):
            self.metric.update_state(y_pred, sample_weight=sample_weight)
        elif sample_weight is None:
            self.metric.update_state(y_true, y_pred)
        else:
            self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def _whole(self, y: Any) -> Any:
        """Return labels that may be shares of classes as 0 and 1."""
        if not self.mixed or self.labels[0] not in ("one_hot", "binary"):
            return y
        if self.kind == "multiclass":
            return ops.one_hot(ops.argmax(y, axis=-1), self.classes, dtype=y.dtype)
        return ops.cast(y >= 0.5, y.dtype)

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
        # Not the metric's dtype, which is an integer for the IoU metrics.
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
        if _is_roc(self.metric):
            # The counts at any threshold: [thresholds] or, with multi_label, [thresholds, labels].
            positives = self.metric.true_positives[0] + self.metric.false_negatives[0]
            negatives = self.metric.false_positives[0] + self.metric.true_negatives[0]
            result = ops.where(ops.all(ops.minimum(positives, negatives) > 0), result, float("nan"))
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
            "mixed": self.mixed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Adapted:
        return cls(**{**config, "metric": keras.saving.deserialize_keras_object(config["metric"])})


def _reads_values(metric: keras.metrics.Metric) -> bool:
    """Return whether `update_state` takes values instead of labels and predictions."""
    return type(metric) in (keras.metrics.Mean, keras.metrics.Sum)


def _is_roc(metric: keras.metrics.Metric) -> bool:
    """Return whether the metric is an area under a ROC curve, whose rates need examples of both classes."""
    return isinstance(metric, keras.metrics.AUC) and metric.curve.value == "ROC"


def _may_be_vector(metric: keras.metrics.Metric) -> bool:
    """Return whether the result may hold one value a class, output or threshold."""
    foreign = not type(metric).__module__.startswith(("keras.", "trainrun."))
    several = len(getattr(metric, "thresholds", None) or ()) > 1 and not hasattr(metric, "num_thresholds")
    return foreign or several or any(getattr(metric, k, "") is None for k in ("average", "class_aggregation"))
