"""Schedule-Free AdamW, with the paper's formulas."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from trainrun.optimizer._shared import Optimizer, densified
from trainrun.util.arguments import Count, Decay, NotNegative, Positive, Range, Share, TrainingLength


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
    warmup_steps: TrainingLength,
    weight_decay: float,
) -> tuple[Any, tuple[Any, Any]]:
    """Return a parameter `y` and its slots after one step; see `ScheduleFreeAdamW` for the formulas.

    Args:
        param, gradient: of equal shape and dtype.
        slots: the sequence `z` and the second moment `v`, of the same shape.
        learning_rate, beta_1, beta_2, epsilon, warmup_steps, weight_decay: see `ScheduleFreeAdamW`.
        step: number of the update, from 1.
    """
    z, v = slots
    dtype = param.dtype
    step = ops.cast(step, dtype)
    # At the first step, not in `build`: weights may be loaded in between.
    z = ops.where(ops.equal(step, 1), param, z)
    warmup = ops.minimum(step / warmup_steps, 1.0) if warmup_steps else ops.ones_like(step)
    v = v + (ops.square(gradient) - v) * (1 - beta_2)
    correction = 1 - ops.power(ops.cast(beta_2, dtype), step)
    direction = gradient / (ops.sqrt(v / correction) + epsilon) + weight_decay * param
    x = (param - (1 - beta_1) * z) / beta_1
    z = z - learning_rate * warmup * direction
    c = ops.square(warmup) / _total_weight(step, warmup_steps)
    x = x + c * (z - x)
    return z + beta_1 * (x - z), (z, v)


def _total_weight(step: Any, warmup_steps: TrainingLength) -> Any:
    """Return the sum of the squared warm-up factors of all steps until now, in closed form."""
    if not warmup_steps:
        return step
    n = ops.minimum(step, warmup_steps)
    return n * (n + 1) * (2 * n + 1) / (6 * warmup_steps**2) + step - n


@keras.saving.register_keras_serializable("trainrun")
class ScheduleFreeAdamW(Optimizer):
    """AdamW that averages the iterates instead of following a learning-rate schedule.

    With `γ_t = lr · min(1, t/warmup_steps)`, `t` the step from 1, and `g` the gradient at `y`:

    - `v ← β₂v + (1−β₂)g²`
    - `z ← z − γ_t · (g / (√(v/(1−β₂ᵗ)) + ε) + λ y)`
    - `x ← (1−c) x + c z`, `c = γ_t² / Σ_{i≤t} γ_i²`
    - `y ← (1−β₁) z + β₁ x`

    The bias correction is under the root, as in Keras; in the paper it is a factor of `γ`, and so also affects the weights of
    the average. The model holds `y`; the paper evaluates the average `x`. `z` is a slot.

    `keras.optimizers.ScheduleFreeAdamW` implements the same algorithm, but under TensorFlow (Keras 3.15) it computes `x` with
    the new `z` instead of the old one, and applies weight decay to `y` without `z`. Arguments and defaults are those of Keras.

    Args:
        learning_rate: a float or a `LearningRateSchedule`; default 0.0025.
        beta_1: weight of `x` in `y`, in (0, 1]; default 0.9.
        beta_2: decay rate of the second moment, in [0, 1); default 0.999.
        epsilon: added to the root; default 1e-8.
        warmup_steps: number of steps in which the learning rate increases from zero, at least 0; default 0.
        weight_decay: λ in the formulas; default None: 0.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: `beta_1` is outside (0, 1], or `warmup_steps` negative.

    Reference:
        Defazio et al. 2024, The Road Less Scheduled, algorithm 1, https://arxiv.org/abs/2405.15682
    """

    def __init__(
        self,
        learning_rate: Positive = 0.0025,
        beta_1: Decay = 0.9,
        beta_2: Decay = 0.999,
        epsilon: Positive | None = 1e-8,
        warmup_steps: TrainingLength = 0,
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
        if not 0 < beta_1 <= 1:
            raise ValueError(f"beta_1 must lie in (0, 1]; got {beta_1}.")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0; got {warmup_steps}.")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._steppers, self._squares = self.add_optimizer_variables(variables, ["stepper", "velocity"])

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Do nothing: weight decay is part of the update."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        z, v = self._steppers[index], self._squares[index]
        decays = self.weight_decay is not None and self._use_weight_decay(variable)
        param, (stepper, square) = update(
            ops.convert_to_tensor(variable),
            ops.cast(densified(gradient, variable), variable.dtype),
            (ops.convert_to_tensor(z), ops.convert_to_tensor(v)),
            learning_rate=ops.cast(learning_rate, variable.dtype),
            step=self.iterations + 1,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            warmup_steps=self.warmup_steps,
            weight_decay=self.weight_decay if decays else 0.0,
        )
        self.assign(z, stepper)
        self.assign(v, square)
        self.assign(variable, param)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "warmup_steps": self.warmup_steps,
        }
