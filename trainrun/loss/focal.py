"""Focal loss (Lin et al. 2017) for binary, multi-label and categorical targets, from probabilities or logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from trainrun.util.arguments import NotNegative, Reduction, Share
from trainrun.util.declarations import declare


def focal(
    y_true: Any,
    y_pred: Any,
    gamma: NotNegative = 2.0,
    alpha: Share | Sequence[Share] | None = 0.75,
    from_logits: bool | None = False,
    label_smoothing: Share = 0.0,
    elementwise: bool | None = None,
) -> Any:
    """Compute the focal loss of each example.

    Element-wise, for binary and multi-label targets, with `p` the sigmoid:

        y = 1:  -alpha       * (1 - p)^gamma * log(p)
        y = 0:  -(1 - alpha) *      p^gamma  * log(1 - p)

    Categorical, with `y` one-hot and `p` the softmax, summed over the classes c:

        -alpha_c * y_c * (1 - p_c)^gamma * log(p_c)

    The modulating factor is applied to each element before any averaging. With `gamma=0` and `alpha=None`, both are
    cross-entropy.

    Args:
        y_true: labels in {0, 1}, or between them (soft labels). Element-wise: of the shape of `y_pred`, or without
            its last axis if that has size 1. Categorical: one-hot, `[batch, ..., classes]`.
        y_pred: probabilities, or logits with `from_logits`; `[batch, ..., outputs]`.
        gamma: focusing parameter, >= 0; 0 is cross-entropy, larger values down-weight easy examples more. Default 2.
        alpha: element-wise: the weight of y = 1 in [0, 1], where y = 0 has `1 - alpha`, or a list with one weight per
            output. Categorical: one weight for all classes, which only scales the loss, or a list with one per class.
            None: no weights. Default 0.75.
        from_logits: whether `y_pred` is logits; default False.
        label_smoothing: fraction of each label that is distributed evenly over the classes (element-wise: two), in
            [0, 1]; default 0.
        elementwise: True: sigmoid form for each output (binary and multi-label tasks). False: softmax form over the last
            axis. Default None: softmax form if the last axis has more than one entry.

    Returns:
        `[batch, ...]`: element-wise the mean over the last axis, as in Keras' cross-entropies, categorical the sum over it.
        For `y_pred` of rank 1, the loss of each element, `[batch]`.

    Raises:
        ValueError: `y_true` does not have the shape of `y_pred`.

    Reference:
        Lin et al. 2017, Focal Loss for Dense Object Detection, https://arxiv.org/abs/1708.02002

    Example:
        >>> focal([[1.0], [0.0]], [[0.9], [0.2]])  # 0.75 * 0.1^2 * -log 0.9, 0.25 * 0.2^2 * -log 0.8
        [0.00079, 0.00223]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    # In float16, 1 - 1e-4 is rounded to 1, and log(1 - p) would be log(0).
    y_pred = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    elif len(y_true.shape) == len(y_pred.shape) + 1 and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if len(y_true.shape) != len(y_pred.shape):
        raise ValueError(
            f"focal: expected labels of the predictions' shape {tuple(y_pred.shape)}, "
            f"got {tuple(y_true.shape)}. Several classes need one-hot labels, not class ids."
        )
    if elementwise is None:
        elementwise = len(y_pred.shape) < 2 or y_pred.shape[-1] == 1
    if elementwise:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
        loss = _elementwise(y_true, y_pred, gamma, alpha, from_logits)
        return ops.mean(loss, axis=-1) if len(y_pred.shape) > 1 else loss
    y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[-1]
    return _categorical(y_true, y_pred, gamma, alpha, from_logits)


def _elementwise(y: Any, y_pred: Any, gamma: float, alpha: Any, from_logits: bool) -> Any:
    """Return the loss of each element."""
    if from_logits:
        log_p, log_not_p = -ops.softplus(-y_pred), -ops.softplus(y_pred)
        # exp(gamma * log(1 - p)) has a gradient also where 1 - p is rounded to 0.
        positive, negative = ops.exp(gamma * log_not_p), ops.exp(gamma * log_p)
    else:
        p = _clip(y_pred)
        log_p, log_not_p = ops.log(p), ops.log(1.0 - p)
        positive, negative = ops.power(1.0 - p, gamma), ops.power(p, gamma)
    if alpha is not None:
        alpha = ops.cast(ops.convert_to_tensor(alpha), y_pred.dtype)
        positive, negative = alpha * positive, (1.0 - alpha) * negative
    return -(y * positive * log_p + (1.0 - y) * negative * log_not_p)


def _categorical(y: Any, y_pred: Any, gamma: float, alpha: Any, from_logits: bool) -> Any:
    """Return the loss summed over the classes."""
    if from_logits:
        log_p = ops.log_softmax(y_pred, axis=-1)
        p = _clip(ops.softmax(y_pred, axis=-1))
    else:
        # Normalized to a sum of 1, as in Keras' categorical losses.
        total = ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), keras.config.epsilon())
        p = _clip(y_pred / total)
        log_p = ops.log(p)
    weight = ops.power(1.0 - p, gamma)
    if alpha is not None:
        weight = weight * ops.cast(ops.convert_to_tensor(alpha), y_pred.dtype)
    return -ops.sum(y * weight * log_p, axis=-1)


def _clip(p: Any) -> Any:
    """Clip probabilities to [ε, 1 - ε]: at 0 and 1, the logarithm and small powers have no finite gradient."""
    epsilon = keras.config.epsilon()
    return ops.clip(p, epsilon, 1.0 - epsilon)


@declare(
    targets=("binary", "multiclass", "multilabel"),
    labels=("binary", "one_hot"),
    predictions=("probabilities", "logits"),
)
@keras.saving.register_keras_serializable("trainrun")
class Focal(keras.losses.Loss):
    """Focal loss: cross-entropy in which well-classified examples are down-weighted.

    The function `focal` documents formulas and shapes. The losses of the examples are reduced as in Keras' losses.

    Args:
        gamma: focusing parameter, >= 0; 0 is cross-entropy. Default 2.
        alpha: weight of the positive class in [0, 1]; of several classes, one weight or a list; None: no weights.
            Default 0.75.
        from_logits: whether predictions are logits; default False.
        label_smoothing: fraction of each label that is distributed evenly over the classes, in [0, 1]; default 0.
        elementwise: True: sigmoid form; False: softmax form; default None: softmax form if there are several outputs.
        reduction: ``sum_over_batch_size`` (the default), ``sum``, ``none`` or ``mean_with_sample_weight``.
        dtype: dtype of the computation; default None: Keras' floatx.

    Raises:
        ValueError: `gamma` is below 0, or `alpha` or `label_smoothing` outside [0, 1].

    Reference:
        Lin et al. 2017, Focal Loss for Dense Object Detection, https://arxiv.org/abs/1708.02002
    """

    def __init__(
        self,
        gamma: NotNegative = 2.0,
        alpha: Share | Sequence[Share] | None = 0.75,
        from_logits: bool | None = False,
        label_smoothing: Share = 0.0,
        elementwise: bool | None = None,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "focal",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if gamma < 0:
            raise ValueError(
                f"gamma={gamma}: expected a number >= 0; a negative one would up-weight easy examples."
            )
        if isinstance(alpha, int | float) and not 0 <= alpha <= 1:
            raise ValueError(f"alpha={alpha}: expected a weight in [0, 1], a list (several classes) or null.")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing}: expected a fraction in [0, 1].")
        self.gamma = gamma
        self.alpha = list(alpha) if isinstance(alpha, Sequence) else alpha
        self.from_logits = bool(from_logits)
        self.label_smoothing = label_smoothing
        self.elementwise = elementwise

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return focal(
            y_true,
            y_pred,
            gamma=self.gamma,
            alpha=self.alpha,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
            elementwise=self.elementwise,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "alpha": self.alpha,
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "elementwise": self.elementwise,
        }
