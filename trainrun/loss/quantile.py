"""Quantile loss (pinball loss): a regression of a quantile instead of the mean."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from trainrun.util.arguments import Range, Reduction
from trainrun.util.declarations import declare


@declare(targets="real", labels="real", predictions="real")
@keras.saving.register_keras_serializable("trainrun")
class Quantile(keras.losses.Loss):
    """`mean(max(q * (y - p), (q - 1) * (y - p)))` over the outputs: least where a share q of the targets lies below the prediction.

    Args:
        quantile: q, in (0, 1); 0.5 (the default) is the median, whose loss is half the absolute error.
        reduction: ``sum_over_batch_size`` (the default), ``sum``, ``none`` or ``mean_with_sample_weight``.
        dtype: dtype of the computation; default None: Keras' floatx.

    Raises:
        ValueError: `quantile` is not in (0, 1).

    Reference:
        Koenker and Bassett 1978, Regression Quantiles, Econometrica 46(1).

    Example:
        >>> Quantile(0.9)([[3.0]], [[1.0]])
        1.8
    """

    def __init__(
        self,
        quantile: Annotated[float, Range(above=0, below=1)] = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "quantile",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0 < quantile < 1:
            raise ValueError(f"quantile={quantile}: expected a number between 0 and 1, both excluded.")
        self.quantile = quantile

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = ops.convert_to_tensor(y_pred)
        error = ops.cast(y_true, y_pred.dtype) - y_pred
        return ops.mean(ops.maximum(self.quantile * error, (self.quantile - 1.0) * error), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantile": self.quantile}
