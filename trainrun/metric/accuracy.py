"""Accuracy by the form of the labels: binary, class ids or one-hot."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.declarations import declare


def accuracy(y_true: Any, y_pred: Any, labels: str | None = None) -> Any:
    """Return for each label whether it was predicted right, 1.0 or 0.0.

    Args:
        y_true: the labels, in the form that `labels` says.
        y_pred: probabilities, `[batch, ..., outputs]`.
        labels: ``binary``: 0/1, right if on the same side of 0.5; ``ids``: class ids `[batch, ...]`;
            ``one_hot``: `[batch, ..., classes]`. None: told from the shapes, as Keras does for the string
            "accuracy".

    Returns:
        `[batch, ...]`.

    Raises:
        ValueError: `labels` is none of these words.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    labels = labels or form_of(y_true, y_pred)
    if labels == "binary":
        if len(y_true.shape) == len(y_pred.shape) - 1:
            y_true = ops.expand_dims(y_true, -1)
        return keras.metrics.binary_accuracy(y_true, y_pred)
    if labels == "ids":
        return keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
    if labels == "one_hot":
        return keras.metrics.categorical_accuracy(y_true, y_pred)
    raise ValueError(f"labels={labels!r}: expected binary, ids or one_hot, the form of y_true.")


def form_of(y_true: Any, y_pred: Any) -> str:
    """Return the form of the labels, told from the shapes alone."""
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
    """How often the answer is right, over the epoch.

    Args:
        labels: ``binary``, ``ids`` or ``one_hot``: the form of `y_true`. The run fills it in by the loss;
            None tells it from the shapes (several labels at once look like one-hot then: say ``binary``).
        dtype: the dtype of the computation.

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
