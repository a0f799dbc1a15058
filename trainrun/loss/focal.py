"""Focal loss (Lin et al. 2017), binary and categorical, from probabilities or logits."""

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
    """Return the focal loss of each example.

    Element by element, for a label that is yes or no by itself:

        y = 1:  -alpha       * (1 - p)^gamma * log(p)
        y = 0:  -(1 - alpha) *      p^gamma  * log(1 - p)

    For one class out of several, `y` one-hot and `p` the softmax, summed over the classes c:

        -alpha_c * y_c * (1 - p_c)^gamma * log(p_c)

    Every element gets its own modulating factor before anything is averaged. With `gamma=0` and `alpha=None`
    both are cross-entropy.

    Args:
        y_true: labels in {0, 1} (or between: soft labels). Element-wise: the shape of `y_pred`, or without
            its last axis if that is 1. Categorical: one-hot, `[batch, ..., classes]`.
        y_pred: probabilities, or logits with `from_logits`; `[batch, ..., outputs]`.
        gamma: focus, >= 0: 0 is cross-entropy, larger looks at the hard examples only.
        alpha: element-wise: weight of y = 1 in [0, 1], y = 0 gets `1 - alpha` (a list: one for each output).
            Categorical: one weight for all classes, which only scales the loss, or a list with one for each.
            None: no weights.
        from_logits: whether `y_pred` is before the sigmoid or softmax.
        label_smoothing: share of each label that is spread evenly over the classes (two, element-wise).
        elementwise: True: sigmoid form for each output (binary and multi-label tasks). False: softmax form
            over the last axis. None: softmax if the last axis has more than one entry.

    Returns:
        `[batch, ...]`: element-wise the mean over the last axis, as Keras' own cross-entropies, categorical
        the sum over it. For `y_pred` of rank 1 each element's loss, `[batch]`.

    Reference:
        Lin, Goyal, Girshick, He, Dollár 2017: Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> focal([[1.0], [0.0]], [[0.9], [0.2]])  # 0.75 * 0.1^2 * -log 0.9, 0.25 * 0.2^2 * -log 0.8
        [0.00079, 0.00223]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    # float16 has no number between 1 - 1e-4 and 1, so log(1 - p) would be log(0).
    y_pred = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    elif len(y_true.shape) == len(y_pred.shape) + 1 and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if len(y_true.shape) != len(y_pred.shape):
        raise ValueError(
            f"focal: expected labels of the predictions' shape {tuple(y_pred.shape)}, "
            f"got {tuple(y_true.shape)}. Several classes want one-hot labels, not class ids."
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
        # exp(gamma * log(1 - p)) keeps its gradient where 1 - p has been rounded to 0.
        on, off = ops.exp(gamma * log_not_p), ops.exp(gamma * log_p)
    else:
        p = _inside(y_pred)
        log_p, log_not_p = ops.log(p), ops.log(1.0 - p)
        on, off = ops.power(1.0 - p, gamma), ops.power(p, gamma)
    if alpha is not None:
        alpha = ops.cast(ops.convert_to_tensor(alpha), y_pred.dtype)
        on, off = alpha * on, (1.0 - alpha) * off
    return -(y * on * log_p + (1.0 - y) * off * log_not_p)


def _categorical(y: Any, y_pred: Any, gamma: float, alpha: Any, from_logits: bool) -> Any:
    """Return the loss summed over the classes."""
    if from_logits:
        log_p = ops.log_softmax(y_pred, axis=-1)
        p = _inside(ops.softmax(y_pred, axis=-1))
    else:
        # As Keras' categorical losses: rows that do not quite sum to one are made to.
        total = ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), keras.config.epsilon())
        p = _inside(y_pred / total)
        log_p = ops.log(p)
    weight = ops.power(1.0 - p, gamma)
    if alpha is not None:
        weight = weight * ops.cast(ops.convert_to_tensor(alpha), y_pred.dtype)
    return -ops.sum(y * weight * log_p, axis=-1)


def _inside(p: Any) -> Any:
    """Keep probabilities off 0 and 1, where the logarithm and small powers have no finite slope."""
    tiny = keras.config.epsilon()
    return ops.clip(p, tiny, 1.0 - tiny)


@declare(
    targets=("binary", "multiclass", "multilabel"),
    labels=("binary", "one_hot"),
    predictions=("probabilities", "logits"),
)
@keras.saving.register_keras_serializable("trainrun")
class Focal(keras.losses.Loss):
    """Focal loss: cross-entropy that fades where the model is right already.

    The formulas, the shapes and the forms for one, several or many labels are in `focal`. The examples'
    losses are then reduced as in every loss of Keras.

    Args:
        gamma: focus, >= 0; 0 is cross-entropy.
        alpha: weight of the positive class in [0, 1], of all classes or a list for several classes; None:
            none.
        from_logits: whether predictions are before the sigmoid or softmax.
        label_smoothing: share of each label that is spread evenly, in [0, 1].
        elementwise: True: sigmoid form; False: softmax form; None: softmax if there are several outputs.
        reduction: ``sum_over_batch_size``, ``sum``, ``none`` or ``mean_with_sample_weight``.
        dtype: the dtype of the computation.

    Raises:
        ValueError: gamma below 0, or alpha or label_smoothing outside [0, 1].

    Reference:
        Lin, Goyal, Girshick, He, Dollár 2017: Focal Loss for Dense Object Detection, arXiv:1708.02002.
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
                f"gamma={gamma}: expected a number >= 0; 0 is cross-entropy, below it the easy count most."
            )
        if isinstance(alpha, int | float) and not 0 <= alpha <= 1:
            raise ValueError(f"alpha={alpha}: expected a weight in [0, 1], a list (several classes) or null.")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing}: expected a share in [0, 1].")
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
