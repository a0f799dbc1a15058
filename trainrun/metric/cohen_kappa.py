"""Cohen's kappa: agreement of predicted and true classes beyond chance, weighted by their distance where they have an order."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from trainrun.util.arguments import Count
from trainrun.util.declarations import declare

WEIGHTS = {None: np.sign, "linear": np.positive, "quadratic": np.square}


@declare(targets=("binary", "multiclass"), labels="ids", predictions="ids", direction="max", reads_order=True)
@keras.saving.register_keras_serializable("trainrun")
class CohenKappa(keras.metrics.Metric):
    """`1 - sum(w * observed) / sum(w * expected)` over the confusion matrix, as scikit-learn's `cohen_kappa_score`.

    1 is complete agreement, 0 that of chance.

    Args:
        num_classes: number of classes; a run takes the data's.
        weights: of a pair of classes i and j: ``quadratic`` (the default) `(i - j)²`, ``linear`` `|i - j|`, None 1 where they differ.
        dtype: dtype of counts and result; default None: Keras' floatx.

    Result:
        A scalar of at most 1; NaN where all examples and predictions are of one class.

    Reference:
        Cohen 1968, Weighted kappa, Psychological Bulletin 70(4).

    Example:
        >>> CohenKappa(3)([0, 1, 2, 2], [0, 1, 1, 2])
        0.8
    """

    def __init__(
        self,
        num_classes: Count,
        weights: Literal["linear", "quadratic"] | None = "quadratic",
        name: str = "cohen_kappa",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes, self.weights = num_classes, weights
        self.counts = self.add_weight(shape=(num_classes**2,), initializer="zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch of class ids, each with its weight."""
        y_true, y_pred = (ops.cast(ops.reshape(y, [-1]), "int32") for y in (y_true, y_pred))
        weight = ops.ones_like(y_true, self.dtype)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, self.dtype), [-1])
        pair = y_true * self.num_classes + y_pred
        self.counts.assign_add(ops.segment_sum(weight, pair, num_segments=self.num_classes**2))

    def result(self) -> Any:
        counts = ops.reshape(ops.convert_to_tensor(self.counts), [self.num_classes] * 2)
        rows, columns = ops.sum(counts, axis=1, keepdims=True), ops.sum(counts, axis=0, keepdims=True)
        distance = np.subtract.outer(np.arange(self.num_classes), np.arange(self.num_classes))
        weight = ops.cast(np.asarray(WEIGHTS[self.weights](np.abs(distance)), "float32"), self.dtype)
        expected = ops.sum(weight * rows * columns)
        # A guarded division: its other branch must not be NaN.
        ratio = ops.divide_no_nan(ops.sum(weight * counts) * ops.sum(counts), expected)
        return ops.where(expected > 0, 1.0 - ratio, float("nan"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "weights": self.weights}
