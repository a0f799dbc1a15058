"""Adam that updates only those rows of an embedding that the batch uses."""

from __future__ import annotations

from typing import Annotated, Any

import keras
import tensorflow as tf
from keras import ops

from trainrun.optimizer._shared import Optimizer, totals
from trainrun.util.arguments import Count, Decay, NotNegative, Positive, Range, Share


def update(
    param: Any,
    gradient: Any,
    slots: tuple[Any, Any],
    *,
    learning_rate: Any,
    step: Any,
    beta_1: Decay,
    beta_2: Decay,
    epsilon: Positive | None,
) -> tuple[Any, tuple[Any, Any]]:
    """Return a parameter, or rows of it, and its slots after one step of Adam; see `LazyAdam` for the formula.

    Args:
        param, gradient: of equal shape and dtype.
        slots: first and second moment, of the same shape.
        learning_rate, beta_1, beta_2, epsilon: see `LazyAdam`.
        step: number of the update, from 1.
    """
    m, v = slots
    dtype = param.dtype
    step = ops.cast(step, dtype)
    m = m + (gradient - m) * (1 - beta_1)
    v = v + (ops.square(gradient) - v) * (1 - beta_2)
    root_correction = ops.sqrt(1 - ops.power(ops.cast(beta_2, dtype), step))
    mean_correction = 1 - ops.power(ops.cast(beta_1, dtype), step)
    rate = learning_rate * root_correction / mean_correction
    return param - m * rate / (ops.sqrt(v) + epsilon), (m, v)


@keras.saving.register_keras_serializable("trainrun")
class LazyAdam(Optimizer):
    """Adam that updates moments and weights only in the rows that a sparse gradient contains.

    With a dense gradient it is Adam:
    `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − lr · √(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε)`.
    With a sparse gradient (`tf.IndexedSlices`, as of an `Embedding`), the gradients of each row are summed, and these formulas
    are applied to the rows that occur in it. The other rows and their moments stay unchanged. `t` is the number of updates,
    not of those of a row. This is cheaper than Adam for a large vocabulary, and the result differs: in Adam, the moments of
    absent rows decay and move their weights.

    `weight_decay` applies to all rows. If only the dense sum of a sparse gradient is available
    (`gradient_accumulation_steps`, `loss_scale_factor`), a row whose gradient is zero counts as absent.

    Args:
        learning_rate: a float or a `LearningRateSchedule`; default 0.001.
        beta_1: decay rate of the first moment, in [0, 1); default 0.9.
        beta_2: decay rate of the second moment, in [0, 1); default 0.999.
        epsilon: added to `√v`, as in `keras.optimizers.Adam`; default 1e-7.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Reference:
        Kingma and Ba 2015, Adam: A Method for Stochastic Optimization, https://arxiv.org/abs/1412.6980;
        the lazy variant is that of `tf.contrib.opt.LazyAdamOptimizer` in TensorFlow 1.
    """

    def __init__(
        self,
        learning_rate: Positive = 0.001,
        beta_1: Decay = 0.9,
        beta_2: Decay = 0.999,
        epsilon: Positive | None = 1e-7,
        weight_decay: NotNegative | None = None,
        clipnorm: Positive | None = None,
        clipvalue: Positive | None = None,
        global_clipnorm: Positive | None = None,
        use_ema: bool = False,
        ema_momentum: Share = 0.99,
        ema_overwrite_frequency: Count | None = None,
        loss_scale_factor: Positive | None = None,
        gradient_accumulation_steps: Annotated[int, Range(2)] | None = None,
        name: str | None = None,
    ):
        super().__init__(
            learning_rate=learning_rate,
            name=name,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._means, self._squares = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        variables = [variable, self._means[index], self._squares[index]]
        old = [ops.convert_to_tensor(v) for v in variables]
        if isinstance(gradient, tf.IndexedSlices):
            # A row that occurs twice is computed and assigned twice, with equal values.
            rows, values, _ = totals(gradient)
            new = self._updated([tf.gather(o, rows) for o in old], values, learning_rate)
            new = [tf.IndexedSlices(n, rows) for n in new]
        else:
            new = self._updated(old, gradient, learning_rate)
            if self._var_key(variable) in self._sparse_keys:
                axes = list(range(1, len(variable.shape)))
                present = ops.any(ops.not_equal(gradient, 0), axis=axes, keepdims=True)
                new = [ops.where(present, n, o) for n, o in zip(new, old, strict=True)]
        for target, value in zip(variables, new, strict=True):
            self.assign(target, value)

    def _updated(self, old: list[Any], gradient: Any, learning_rate: Any) -> list[Any]:
        param, m, v = old
        param, slots = update(
            param,
            ops.cast(gradient, param.dtype),
            (m, v),
            learning_rate=ops.cast(learning_rate, param.dtype),
            step=self.iterations + 1,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )
        return [param, *slots]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
