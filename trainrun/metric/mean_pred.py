"""Mean prediction of each batch, averaged over batches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.declarations import declare


def mean_pred(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    """Compute the mean prediction of one batch.

    Args:
        y_true: not used.
        y_pred: predictions, shape `[batch, ...]`.
        sample_weight: one weight per example, `[batch]`; default None.

    Returns:
        A scalar in the unit of the predictions; 0.0 if all weights are 0.

    Example:
        >>> model.compile(loss="mse", metrics=[mean_pred])  # the mean over the epoch's batches
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_pred = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))
    if sample_weight is None:
        return ops.mean(y_pred)
    weight = ops.reshape(ops.cast(sample_weight, y_pred.dtype), [-1])
    means = ops.mean(y_pred, axis=tuple(range(1, len(y_pred.shape)))) if len(y_pred.shape) > 1 else y_pred
    return ops.divide_no_nan(ops.sum(weight * means), ops.sum(weight))


@declare(labels="any", predictions="any")
@keras.saving.register_keras_serializable("trainrun")
class MeanPred(keras.metrics.Mean):
    """Mean of `mean_pred` over the batches of an epoch.

    All batches have the same weight, so it differs from the mean prediction of the epoch (`metric=mean`) if the last batch
    is smaller, or the sums of the sample weights differ.

    Args:
        dtype: dtype of sum and result; default None: Keras' floatx.
    """

    def __init__(self, name: str = "mean_pred", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add one batch; `sample_weight` weights the examples within it, all batches have the same weight."""
        super().update_state(mean_pred(y_true, y_pred, sample_weight))
