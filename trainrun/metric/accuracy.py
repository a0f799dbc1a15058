"""Accuracy for binary, class-id and one-hot labels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.declarations import declare


def accuracy(y_true: Any, y_pred: Any, labels: str | None = None) -> Any:
    """Return 1.0 for each correct prediction and 0.0 for each wrong one.

    Args:
        y_true: labels, in the form that `labels` names.
        y_pred: probabilities, `[batch, ..., outputs]`.
        labels: ``binary``: labels 0 and 1, threshold 0.5; ``ids``: class ids `[batch, ...]`; ``one_hot``:
            `[batch, ..., classes]`. Default None: inferred from the shapes, as Keras does for the string "accuracy".

    Returns:
        `[batch, ...]`.

    Raises:
        ValueError: `labels` is none of these.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    labels = labels or infer_form(y_true, y_pred)
    if labels == "binary":
        if len(y_true.shape) == len(y_pred.shape) - 1:
            y_true = ops.expand_dims(y_true, -1)
        return keras.metrics.binary_accuracy(y_true, y_pred)
    if labels == "ids":
        return keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
    if labels == "one_hot":
        return keras.metrics.categorical_accuracy(y_true, y_pred)
    raise ValueError(f"labels={labels!r}: expected binary, ids or one_hot, the form of y_true.")


def infer_form(y_true: Any, y_pred: Any) -> str:
    """Return the form of the labels, ``binary``, ``ids`` or ``one_hot``, inferred from the shapes."""
    if len(y_pred.shape) < 2 or y_pred.shape[-1] == 1:
        return "binary"
    same_rank = len(y_true.shape) == len(y_pred.shape)
    return "one_hot" if same_rank and y_true.shape[-1] != 1 else "ids"


@declare(
    targets=("binary", "multiclass", "multilabel"),
    labels=("binary", "ids", "one_hot"),
    predictions="probabilities",
    direction="max",
)
@keras.saving.register_keras_serializable("trainrun")
class Accuracy(keras.metrics.MeanMetricWrapper):
    """Fraction of correct predictions over the epoch.

    Args:
        labels: the form of `y_true`: ``binary``, ``ids`` or ``one_hot``; a run sets it by the loss. Default None: inferred
            from the shapes, which cannot distinguish multi-label from one-hot targets; pass ``binary`` for these.
        dtype: dtype of the computation; default None: Keras' floatx.

    Raises:
        ValueError: `labels` is none of these.

    Example:
        >>> Accuracy(labels="ids")([1, 0], [[0.2, 0.8], [0.3, 0.7]])
        0.5
    """

    def __init__(self, labels: str | None = None, name: str = "accuracy", dtype: Any = None) -> None:
        if labels not in (None, "binary", "ids", "one_hot"):
            raise ValueError(f"labels={labels!r}: expected binary, ids or one_hot, the form of y_true.")
        super().__init__(accuracy, name=name, dtype=dtype, labels=labels)
        self.labels = labels

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "labels": self.labels}
