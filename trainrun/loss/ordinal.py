"""Ordinal cross-entropy: of classes with an order, the cross-entropies of all questions "is it above this class?"."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from trainrun.util.arguments import Reduction
from trainrun.util.declarations import declare

NEVER = -1e9  # added to the logarithm of a probability that is left out of a sum


def ordinal(y_true: Any, y_pred: Any, from_logits: bool | None = False) -> Any:
    """Compute the loss of each example: with `c_k` the probability of the classes up to k, and K classes,

        -sum over k < K - 1 of [y <= k] * log(c_k) + [y > k] * log(1 - c_k)

    A probability far from the true class costs more than one beside it. Of two classes it is binary cross-entropy.

    Args:
        y_true: one-hot labels, `[batch, classes]`, in the order of the classes.
        y_pred: probabilities, or logits with `from_logits`, `[batch, classes]`.
        from_logits: whether predictions are logits; default False.

    Returns:
        `[batch]`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    count = y_pred.shape[-1]
    if from_logits:
        log_p = ops.log_softmax(y_pred, axis=-1)
    else:
        log_p = ops.log(ops.clip(y_pred, keras.config.epsilon(), 1.0))
    up_to = np.tril(np.ones((count - 1, count)))
    # [batch, thresholds, classes]: logarithms of sums of probabilities, which stay finite where 1 - c would be 0.
    each = ops.expand_dims(log_p, -2)
    below, above = (
        ops.logsumexp(each + ops.cast(NEVER * (1.0 - part), y_pred.dtype), axis=-1)
        for part in (up_to, 1.0 - up_to)
    )
    is_below = ops.cumsum(y_true, axis=-1)[..., :-1]
    return -ops.sum(is_below * below + (1.0 - is_below) * above, axis=-1)


@declare(targets="multiclass", labels="one_hot", predictions=("probabilities", "logits"), reads_order=True)
@keras.saving.register_keras_serializable("trainrun")
class Ordinal(keras.losses.Loss):
    """Cross-entropy of classes with an order, such as bad, ok, good; the function `ordinal` has the formula.

    Args:
        from_logits: whether predictions are logits; default False.
        reduction: ``sum_over_batch_size`` (the default), ``sum``, ``none`` or ``mean_with_sample_weight``.
        dtype: dtype of the computation; default None: Keras' floatx.

    Reference:
        Frank and Hall 2001, A Simple Approach to Ordinal Classification, ECML: K - 1 binary problems. Here their probabilities
        come from one softmax, so that they never contradict each other.
    """

    def __init__(
        self,
        from_logits: bool | None = False,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "ordinal",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ordinal(y_true, y_pred, self.from_logits)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits}
