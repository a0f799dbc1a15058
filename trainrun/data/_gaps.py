"""Gaps and categories of a table, both by what the training part holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# The code of a category that the training part does not have.
UNKNOWN = 0


def filled(
    values: np.ndarray, train: np.ndarray, missing: str, name: str, record: dict[str, Any]
) -> np.ndarray:
    """Return a column with its gaps filled by the training part's mean or median."""
    import numpy as np

    gaps = np.isnan(values)
    if not gaps.any():
        return values
    known = values[train][~gaps[train]]
    statistic = np.median if missing == "median_or_mode" else np.mean
    record["fill"][name] = float(statistic(known)) if len(known) else 0.0
    return np.where(gaps, record["fill"][name], values)


def coded(
    codes: np.ndarray,
    texts: list[str],
    keep: np.ndarray,
    train: np.ndarray,
    name: str,
    record: dict[str, Any],
) -> np.ndarray:
    """Return a column of categories as codes: 0 unknown, then those of the training part in order."""
    import numpy as np

    codes = codes[keep]
    present, counts = np.unique(codes[train][codes[train] >= 0], return_counts=True)
    mode = int(present[counts.argmax()]) if len(present) else -1
    if (codes < 0).any() and mode >= 0:
        record["fill"][name] = texts[mode]
    recode = np.full(len(texts) + 1, UNKNOWN, "int64")
    recode[present] = 1 + np.arange(len(present))
    record["categories"][name] = ["<unknown>", *(texts[i] for i in present)]
    return recode[np.where(codes < 0, mode, codes)]
