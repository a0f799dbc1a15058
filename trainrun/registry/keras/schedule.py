"""Type hints of the arguments of Keras' learning rate schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.util.arguments import NotNegative, Positive, TrainingLength

_DECAY: Mapping[str, Any] = {
    "initial_learning_rate": Positive | None,
    "decay_steps": TrainingLength,
}
_BY_RATE: Mapping[str, Any] = {**_DECAY, "decay_rate": Positive}

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "CosineDecay": {**_DECAY, "alpha": float, "warmup_target": float | None, "warmup_steps": TrainingLength},
    "CosineDecayRestarts": {
        "initial_learning_rate": Positive | None,
        "first_decay_steps": TrainingLength,
        "t_mul": Positive,
        "m_mul": Positive,
        "alpha": float,
    },
    "ExponentialDecay": _BY_RATE,
    "InverseTimeDecay": _BY_RATE,
    "PiecewiseConstantDecay": {"boundaries": list[TrainingLength], "values": list[float]},
    "PolynomialDecay": {**_DECAY, "end_learning_rate": NotNegative, "power": float},
}
