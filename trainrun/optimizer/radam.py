"""RAdam: Adam with a rectified adaptive learning rate."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from trainrun.optimizer._shared import Optimizer, densified
from trainrun.util.arguments import Count, Decay, NotNegative, Positive, Range, Share


def rectification(step: Any, beta_2: Decay, rho_threshold: float) -> tuple[Any, Any]:
    """Return whether the variance of the adaptive learning rate is tractable at a step, and the rectification r_t.

    Args:
        step: number of the update, from 1.
        beta_2: decay rate of the second moment.
        rho_threshold: the variance is tractable while ρ_t, the length of the approximated moving average, exceeds it.

    Returns:
        `(tractable, factor)`: a boolean scalar, and r_t as a float64 scalar, 1 where the variance is not tractable.
    """
    # float64, because ρ_t is the difference of two numbers near 2000, and 3.9975 (at step 4) must not become 4. Not `ops.cast`,
    # which would convert beta_2 to float32 first.
    step = ops.cast(step, "float64")
    rho_inf = 2.0 / (1.0 - beta_2) - 1.0
    power = ops.power(ops.convert_to_tensor(beta_2, "float64"), step)
    rho = rho_inf - 2.0 * step * power / (1.0 - power)
    tractable = rho > rho_threshold
    rho = ops.where(tractable, rho, ops.convert_to_tensor(rho_inf, "float64"))  # no root of a negative number
    factor = ops.sqrt((rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho))
    return tractable, factor


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
    rho_threshold: float,
) -> tuple[Any, tuple[Any, Any]]:
    """Return a parameter and its slots after one step of RAdam; see `RAdam` for the formula.

    Args:
        param, gradient: of equal shape and dtype.
        slots: first and second moment, of the same shape.
        learning_rate, beta_1, beta_2, epsilon, rho_threshold: see `RAdam`.
        step: number of the update, from 1.
    """
    m, v = slots
    dtype = param.dtype
    m = m + (gradient - m) * (1 - beta_1)
    v = v + (ops.square(gradient) - v) * (1 - beta_2)
    step = ops.cast(step, "float64")
    mean_correction = ops.cast(1.0 - ops.power(ops.convert_to_tensor(beta_1, "float64"), step), dtype)
    root_correction = ops.cast(
        ops.sqrt(1.0 - ops.power(ops.convert_to_tensor(beta_2, "float64"), step)), dtype
    )
    tractable, factor = rectification(step, beta_2, rho_threshold)
    mean = m / mean_correction
    adaptive = mean * ops.cast(factor, dtype) * root_correction / (ops.sqrt(v) + epsilon)
    return param - learning_rate * ops.where(tractable, adaptive, mean), (m, v)


@keras.saving.register_keras_serializable("trainrun")
class RAdam(Optimizer):
    """Adam with a rectified variance of the adaptive learning rate, which replaces a warm-up.

    With `m`, `v` the moments of Adam, `t` the step from 1, `ρ∞ = 2/(1−β₂) − 1` and `ρ_t = ρ∞ − 2t β₂ᵗ / (1−β₂ᵗ)`:

    - while `ρ_t ≤ rho_threshold`: `w ← w − lr · m/(1−β₁ᵗ)`, SGD with momentum;
    - then: `w ← w − lr · r_t · m/(1−β₁ᵗ) · √(1−β₂ᵗ) / (√v + ε)`,
      `r_t = √[(ρ_t−4)(ρ_t−2) ρ∞ / ((ρ∞−4)(ρ∞−2) ρ_t)]`.

    The threshold is 4 in the paper and 5 in the authors' code and in PyTorch: for β₂ = 0.999, updates are adaptive from the
    fifth, or from the sixth one on. The paper has no ε; here it is added as in `keras.optimizers.Adam`.

    Args:
        learning_rate: a float or a `LearningRateSchedule`; default 0.001.
        beta_1: decay rate of the first moment, in [0, 1); default 0.9.
        beta_2: decay rate of the second moment, in (0.6, 1), so that ρ∞ exceeds 4; default 0.999.
        epsilon: added to `√v`; default 1e-7.
        rho_threshold: updates are adaptive while ρ_t exceeds it; at least 4; default 4.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: `rho_threshold` is below 4 (r_t would not be real), or `beta_2` is outside (0.6, 1).

    Reference:
        Liu et al. 2020, On the Variance of the Adaptive Learning Rate and Beyond, algorithm 2,
        https://arxiv.org/abs/1908.03265
    """

    def __init__(
        self,
        learning_rate: Positive = 0.001,
        beta_1: Decay = 0.9,
        beta_2: Decay = 0.999,
        epsilon: Positive | None = 1e-7,
        rho_threshold: float = 4.0,
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
        if rho_threshold < 4:
            raise ValueError(
                f"rho_threshold must be at least 4, or r_t is not a real number; got {rho_threshold}."
            )
        if not 0.6 < beta_2 < 1:
            raise ValueError(f"beta_2 must lie in (0.6, 1), or r_t is undefined; got {beta_2}.")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.rho_threshold = rho_threshold

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._means, self._squares = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        m, v = self._means[index], self._squares[index]
        param, (mean, square) = update(
            ops.convert_to_tensor(variable),
            ops.cast(densified(gradient, variable), variable.dtype),
            (ops.convert_to_tensor(m), ops.convert_to_tensor(v)),
            learning_rate=ops.cast(learning_rate, variable.dtype),
            step=self.iterations + 1,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            rho_threshold=self.rho_threshold,
        )
        self.assign(m, mean)
        self.assign(v, square)
        self.assign(variable, param)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "rho_threshold": self.rho_threshold,
        }
