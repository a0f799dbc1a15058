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


def number(text: str | None) -> float | None:
    """Return a text as a finite number, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
