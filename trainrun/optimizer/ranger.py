"""Ranger: Lookahead over RAdam."""

from __future__ import annotations

from typing import Annotated, Any

import keras

from trainrun.optimizer.lookahead import Lookahead
from trainrun.optimizer.radam import RAdam
from trainrun.util.arguments import Count, Decay, NotNegative, Positive, Range, Share

RADAM_ARGUMENTS = ("beta_1", "beta_2", "epsilon", "rho_threshold")


@keras.saving.register_keras_serializable("trainrun")
class Ranger(Lookahead):
    """Lookahead around RAdam; see `Lookahead` and `RAdam` for the formulas.

    Args:
        learning_rate: learning rate of RAdam, a float or a `LearningRateSchedule`; default 0.001.
        beta_1, beta_2, epsilon, rho_threshold: as in `RAdam`; defaults 0.9, 0.999, 1e-7, 4.
        sync_period, slow_step_size: as in `Lookahead`; defaults 6, 0.5.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: an argument is outside the range that `Lookahead` or `RAdam` documents.

    Reference:
        Liu et al. 2020, https://arxiv.org/abs/1908.03265; Zhang et al. 2019, https://arxiv.org/abs/1907.08610;
        combined by L. Wright, https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer
    """

    def __init__(
        self,
        learning_rate: Positive = 0.001,
        beta_1: Decay = 0.9,
        beta_2: Decay = 0.999,
        epsilon: Positive | None = 1e-7,
        rho_threshold: float = 4.0,
        sync_period: Count = 6,
        slow_step_size: Annotated[float, Range(above=0, high=1)] = 0.5,
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
            inner=RAdam(learning_rate, beta_1, beta_2, epsilon, rho_threshold),
            sync_period=sync_period,
            slow_step_size=slow_step_size,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["inner"]
        return {**config, **{k: getattr(self.inner, k) for k in RADAM_ARGUMENTS}}
