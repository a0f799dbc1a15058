"""Bootstrap resamples of rows, and the interval of what is computed of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

CONFIDENCE = 0.95
# Resamples, and the fewest where the numbers to draw are limited.
RESAMPLES, FEWEST = 1000, 50


def resamples(numbers: int, most: int) -> int:
    """Return how many resamples to draw.

    Args:
        numbers: of one resample.
        most: of all resamples; more are drawn where `FEWEST` need more.
    """
    return int(np.clip(most // max(numbers, 1), FEWEST, RESAMPLES))


def draws(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the places `[count]` of rows drawn with replacement, a resample at a time.

    Args:
        count: of the rows.
        resamples: how many.
        seed: of the draws; the same one draws the same rows.
    """
    random = np.random.default_rng(seed)
    return (random.integers(0, count, count) for _ in range(resamples))


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return the percentiles between which `CONFIDENCE` of the values lie, without NaN; NaN where there is no other value."""
    known = np.asarray(values)[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)
