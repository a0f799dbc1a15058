"""Type hints of the arguments of Keras' weight constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.util.arguments import NotNegative, Positive, Share

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "MaxNorm": {"max_value": Positive, "axis": int | Sequence[int]},
    "MinMaxNorm": {
        "axis": int | Sequence[int],
        "min_value": NotNegative,
        "max_value": Positive,
        "rate": Share,
    },
    "UnitNorm": {"axis": int | Sequence[int]},
}
