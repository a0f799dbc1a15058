"""Kolmogorov-Smirnov statistic of each batch, averaged over batches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.declarations import declare


def ks_batch(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    """Compute the exact `max over thresholds t of TPR(t) - FPR(t)` of one batch.

    Args:
        y_true: labels in {0, 1} or {-1, 1}, shape `[batch, 1]` or `[batch]`.
        y_pred: probabilities or logits, of which only the order matters; `[batch, 1]` or `[batch]`.
        sample_weight: one weight per example, `[batch]`; default None.

    Returns:
        A scalar in [0, 1]; 0.0 if the batch has no positives or no negatives.

    Example:
        >>> model.compile(loss="binary_crossentropy", metrics=[ks_batch])  # the mean over the epoch's batches
    """
    score = ops.cast(ops.reshape(y_pred, [-1]), "float32")
    positive = ops.cast(ops.reshape(ops.cast(y_true, "float32"), [-1]) > 0, "float32")
    weight = ops.ones_like(score)
    if sample_weight is not None:
        weight = weight * ops.cast(ops.reshape(sample_weight, [-1]), "float32")
    order = ops.argsort(-score)
    score = ops.take(score, order)
    true_positives = ops.cumsum(ops.take(weight * positive, order))
    false_positives = ops.cumsum(ops.take(weight * (1.0 - positive), order))
    true_positive_rate = ops.divide_no_nan(true_positives, true_positives[-1])
    false_positive_rate = ops.divide_no_nan(false_positives, false_positives[-1])
    # A threshold cannot separate equal scores: only the last of them is a point of the ROC curve.
    last = ops.concatenate([score[1:] != score[:-1], ops.ones_like(score[:1], dtype="bool")])
    both = ops.logical_and(true_positives[-1] > 0, false_positives[-1] > 0)
    difference = ops.maximum(true_positive_rate - false_positive_rate, 0.0)
    return ops.where(both, ops.max(ops.where(last, difference, 0.0)), 0.0)


@declare(targets="binary", labels="binary", predictions="any", direction="max")
@keras.saving.register_keras_serializable("trainrun")
class KSBatch(keras.metrics.Mean):
    """Mean of `ks_batch` over the batches of an epoch.

    It is not the statistic of the epoch, which is `ks`: a maximum over few examples is biased upwards (by about
    `0.63 * sqrt(1 / positives + 1 / negatives)` for random scores), a batch without positives counts as 0, and a small last
    batch counts as much as a full one.

    Args:
        dtype: dtype of sum and result; default None: Keras' floatx.
    """

    def __init__(self, name: str = "ks_batch", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add one batch; `sample_weight` weights the examples within it, all batches have the same weight."""
        super().update_state(ks_batch(y_true, y_pred, sample_weight))
