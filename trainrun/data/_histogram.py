"""Histograms of any numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def counts(values: np.ndarray, bars: int) -> list[int]:
    """Return how many numbers are in each of some intervals of equal width between the least and the largest one.

    Args:
        values: finite, `[n]`, at least one.
        bars: the number of intervals.
    """
    import numpy as np

    try:
        return np.histogram(values, bars)[0].tolist()
    except ValueError:  # float64 holds no ends of intervals between numbers that are so large
        return np.histogram(values - values.min(), bars)[0].tolist()
