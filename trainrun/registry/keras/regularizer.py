"""Type hints of the arguments of Keras' regularizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from trainrun.util.arguments import NotNegative

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "L1": {"l1": NotNegative},
    "L1L2": {"l1": NotNegative, "l2": NotNegative},
    "L2": {"l2": NotNegative},
    "OrthogonalRegularizer": {"factor": NotNegative, "mode": Literal["rows", "columns"]},
}
