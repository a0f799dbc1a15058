"""Type hints of the arguments of Keras' initializers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from trainrun.util.arguments import Positive

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "Identity": {"gain": Positive},
    "Orthogonal": {"gain": Positive},
    "RandomNormal": {"stddev": Positive},
    "TruncatedNormal": {"stddev": Positive},
    "VarianceScaling": {
        "scale": Positive,
        "mode": Literal["fan_in", "fan_out", "fan_avg"],
        "distribution": Literal["truncated_normal", "untruncated_normal", "uniform"],
    },
}
