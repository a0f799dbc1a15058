"""Whether numbers are finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def non_finite(array: Any) -> str | None:
    """Return ``nan`` or ``inf`` if an array holds such a value, else None."""
    array = np.asarray(array)
    if array.dtype.kind in "biuSUO" or np.isfinite(array).all():
        return None
    return "nan" if np.isnan(array).any() else "inf"


def without_nan(value: Any) -> Any:
    """Return plain data with null in place of numbers that are not finite, as JSON has none."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
