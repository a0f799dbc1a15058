"""The loss on a teacher's outputs, which distillation adds to the loss on labels."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from trainrun.compat import keras_model_private

Kind = Literal["softmax", "sigmoid", "real"]


class SoftTargets(keras.losses.Loss):
    """The distance of predictions from a teacher's, with t and s the logits of both and T the temperature:

        softmax:  T² · KL(softmax(t / T) || softmax(s / T))
        sigmoid:  T² · the mean over the labels of KL(Bernoulli(sigmoid(t / T)) || Bernoulli(sigmoid(s / T)))
        real:     mean((t - s)²), without a temperature

    The factor T² keeps the size of the gradients, which are proportional to 1 / T².

    Args:
        kind: what the outputs are: logits of one class of several, of labels that are true or false, or real numbers.
        temperature: T; above 1, less likely classes count more.
        reduction: as of the loss on labels.

    Reference:
        Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network, https://arxiv.org/abs/1503.02531.
    """

    def __init__(self, kind: Kind, temperature: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(name="soft_targets", reduction=reduction)
        self.kind, self.temperature = kind, temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, `[batch, …]`; both are `[batch, …, outputs]`."""
        if self.kind == "real":
            return ops.mean(ops.square(y_true - y_pred), axis=-1)
        teacher, student = y_true / self.temperature, y_pred / self.temperature
        if self.kind == "softmax":
            log_teacher = ops.log_softmax(teacher, axis=-1)
            apart = ops.sum(ops.exp(log_teacher) * (log_teacher - ops.log_softmax(student, axis=-1)), axis=-1)
        else:
            # log p = t - softplus(t), log (1 - p) = -softplus(t)
            each = ops.sigmoid(teacher) * (teacher - student) - ops.softplus(teacher) + ops.softplus(student)
            apart = ops.mean(each, axis=-1)
        return apart * self.temperature**2


def logits(output: Any, kind: Kind) -> Any:
    """Return the logits of probabilities, exactly where an activation of Keras has made them in this step.

    Args:
        output: probabilities, `[batch, …, outputs]`.
        kind: ``softmax`` or ``sigmoid``.
    """
    if (exact := keras_model_private.logits_behind(output)) is not None:
        return exact
    epsilon = keras.config.epsilon()
    if kind == "softmax":
        return ops.log(ops.maximum(output, epsilon))
    output = ops.clip(output, epsilon, 1 - epsilon)
    return ops.log(output) - ops.log1p(-output)
