"""Type hints of the arguments of Keras' optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from trainrun.util.arguments import Count, Decay, NotNegative, Positive, Range, Share, TrainingLength

_EVERY: Mapping[str, Any] = {
    "learning_rate": Positive,
    "weight_decay": NotNegative | None,
    "clipnorm": Positive | None,
    "clipvalue": Positive | None,
    "global_clipnorm": Positive | None,
    "use_ema": bool,
    "ema_momentum": Share,
    "ema_overwrite_frequency": Count | None,
    "loss_scale_factor": Positive | None,
    "gradient_accumulation_steps": Annotated[int, Range(2)] | None,
}
_ADAM: Mapping[str, Any] = {**_EVERY, "beta_1": Decay, "beta_2": Decay, "epsilon": Positive | None}

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "Adadelta": {**_EVERY, "rho": Share, "epsilon": Positive | None},
    "Adafactor": {**_EVERY, "epsilon_1": Positive, "epsilon_2": Positive, "clip_threshold": Positive},
    "Adagrad": {**_EVERY, "initial_accumulator_value": NotNegative, "epsilon": Positive | None},
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Adamax": _ADAM,
    "Ftrl": {**_EVERY, "learning_rate_power": Annotated[float, Range(high=0)], "initial_accumulator_value": NotNegative},
    "Lamb": _ADAM,
    "Lion": {**_EVERY, "beta_1": Decay, "beta_2": Decay},
    "Muon": {**_EVERY, "adam_beta_1": Decay, "adam_beta_2": Decay, "adam_weight_decay": NotNegative, "epsilon": Positive | None,
             "momentum": Decay, "ns_steps": Count, "adam_lr_ratio": Positive},
    "Nadam": _ADAM,
    "RMSprop": {**_EVERY, "rho": Share, "momentum": Decay, "epsilon": Positive | None},
    "SGD": {**_EVERY, "momentum": Decay},
    "ScheduleFreeAdamW": {**_ADAM, "warmup_steps": TrainingLength},
}  # fmt: skip
