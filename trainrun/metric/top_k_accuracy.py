"""Top-k accuracy for class-id and one-hot labels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.arguments import Count
from trainrun.util.declarations import declare


def top_k_accuracy(y_true: Any, y_pred: Any, k: Count = 5, labels: str | None = None) -> Any:
    """Return 1.0 for each label that is among the `k` highest predictions, else 0.0.

    Args:
        y_true: class ids `[batch, ...]` or one-hot `[batch, ..., classes]`.
        y_pred: a score for each class, `[batch, ..., classes]`.
        k: number of predictions that count; default 5.
        labels: ``ids`` or ``one_hot``; default None: inferred from the shapes.

    Returns:
        `[batch, ...]`.

    Raises:
        ValueError: `labels` is neither.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if labels is None:
        labels = "one_hot" if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] != 1 else "ids"
    # With fewer than k classes, Keras would fail in the graph, far from the cause.
    k = min(k, y_pred.shape[-1])
    if labels == "ids":
        return keras.metrics.sparse_top_k_categorical_accuracy(y_true, y_pred, k=k)
    if labels == "one_hot":
        return keras.metrics.top_k_categorical_accuracy(y_true, y_pred, k=k)
    raise ValueError(f"labels={labels!r}: expected ids or one_hot, the form of y_true.")


@declare(targets="multiclass", labels=("ids", "one_hot"), predictions="any", direction="max")
@keras.saving.register_keras_serializable("trainrun")
class TopKAccuracy(keras.metrics.MeanMetricWrapper):
    """Fraction of labels that are among the `k` highest predictions, over the epoch.

    Args:
        k: number of predictions that count, at least 1; default 5. With k classes or fewer, the result is 1.
        labels: the form of `y_true`: ``ids`` or ``one_hot``; a run sets it by the loss. Default None: inferred from the
            shapes.
        dtype: dtype of the computation; default None: Keras' floatx.

    Raises:
        ValueError: `labels` is neither, or `k` is below 1.
    """

    def __init__(
        self, k: Count = 5, labels: str | None = None, name: str = "top_k_accuracy", dtype: Any = None
    ) -> None:
        if labels not in (None, "ids", "one_hot"):
            raise ValueError(f"labels={labels!r}: expected ids or one_hot, the form of y_true.")
        if k < 1:
            raise ValueError(f"k={k}: expected at least 1.")
        super().__init__(top_k_accuracy, name=name, dtype=dtype, k=k, labels=labels)
        self.k = k
        self.labels = labels

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "k": self.k, "labels": self.labels}
