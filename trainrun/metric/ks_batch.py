"""Kolmogorov-Smirnov statistic of each batch, averaged over batches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.declarations import declare


def ks_batch(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    """Return the exact max(TPR - FPR) of one batch; 0.0 if it lacks positives or negatives.

    Args:
        y_true: labels in {0, 1} or {-1, 1}, shape `[batch, 1]` or `[batch]`.
        y_pred: probabilities or logits, only their order counts; the same number of them.
        sample_weight: None, or one weight an example, `[batch]`.

    Returns:
        A scalar in [0, 1].

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
    hits = ops.cumsum(ops.take(weight * positive, order))
    alarms = ops.cumsum(ops.take(weight * (1.0 - positive), order))
    gap = ops.divide_no_nan(hits, hits[-1]) - ops.divide_no_nan(alarms, alarms[-1])
    # A threshold cannot part equal scores: only the last of them is a point of the ROC curve.
    last = ops.concatenate([score[1:] != score[:-1], ops.ones_like(score[:1], dtype="bool")])
    both = ops.logical_and(hits[-1] > 0, alarms[-1] > 0)
    return ops.where(both, ops.max(ops.where(last, ops.maximum(gap, 0.0), 0.0)), 0.0)


@declare(targets="binary", labels="binary", predictions="any", direction="max")
@keras.saving.register_keras_serializable("trainrun")
class KSBatch(keras.metrics.Mean):
    """Mean over the batches of each batch's `ks_batch`.

    It is not the epoch's value, which `ks` gives: a maximum over few examples is biased upwards (about
    `0.63 * sqrt(1 / positives + 1 / negatives)` for a model that guesses), a batch without positives counts
    as 0, and a small last batch counts as much as a full one. It needs no state but a sum, and moves within
    the epoch.

    Args:
        dtype: the dtype of sum and result.
    """

    def __init__(self, name: str = "ks_batch", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add one batch; `sample_weight` weighs examples inside it, batches count alike."""
        super().update_state(ks_batch(y_true, y_pred, sample_weight))
