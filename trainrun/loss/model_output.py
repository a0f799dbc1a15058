"""The model's output as the loss, for minimizing a function without labels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.arguments import Reduction
from trainrun.util.declarations import declare


def model_output(y_true: Any, y_pred: Any) -> Any:
    """Return the model's output, averaged over all axes except the first.

    Args:
        y_true: not used.
        y_pred: the model's output, shape `[batch, ...]`.

    Returns:
        Shape `[batch]`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    return ops.mean(y_pred, axis=list(range(1, len(y_pred.shape)))) if len(y_pred.shape) > 1 else y_pred


@declare(targets="none", labels="any", predictions="any")
@keras.saving.register_keras_serializable("trainrun")
class ModelOutput(keras.losses.Loss):
    """Loss that is the model's output: `loss = mean(y_pred)`.

    Args:
        reduction: ``sum_over_batch_size`` (the default), ``sum``, ``none`` or ``mean_with_sample_weight``.
        dtype: dtype of the computation; default None: Keras' floatx.

    Example:
        >>> float(ModelOutput()([0.0, 0.0], [[1.0], [3.0]]))
        2.0
    """

    def __init__(
        self, reduction: Reduction = "sum_over_batch_size", name: str = "model_output", dtype: Any = None
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return model_output(y_true, y_pred)
