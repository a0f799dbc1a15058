"""Impute missing values and encode categories, both fitted on the training set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# The code of a category that the training set does not have.
UNKNOWN = 0


def filled(
    values: np.ndarray, train: np.ndarray, missing: str, name: str, record: dict[str, Any], unit: float = 0.0
) -> np.ndarray:
    """Return a column with its missing values imputed: the mean or median of the training set.

    Args:
        values: numbers `[n]`, NaN where one is missing.
        train: indices of the training set.
        missing: the policy; ``mean_or_mode`` takes the mean, any other the median.
        name: of the column.
        record: `fill[name]` is set to the imputed value.
        unit: the imputed value is rounded down to a multiple of it; 0: no.
    """
    import numpy as np

    gaps = np.isnan(values)
    if not gaps.any():
        return values
    known = values[train][~gaps[train]]
    statistic = np.mean if missing == "mean_or_mode" else np.median
    fill = float(statistic(known)) if len(known) else 0.0
    record["fill"][name] = fill // unit * unit if unit else fill
    return np.where(gaps, record["fill"][name], values)


def indicators(missing: Mapping[str, np.ndarray], train: np.ndarray, record: dict[str, Any]) -> np.ndarray:
    """Return a column of 0 and 1 for each column with missing values: 1 where one is missing, float64 `[n, columns]`.

    How many there are depends on the table alone, not on the split, so that all seeds and folds have models of one shape. A
    column without missing values in the training set has an indicator that is 0 throughout, since no weight was learnt for it.

    Args:
        missing: column -> where its values are missing, bool `[n]`.
        train: indices of the training set.
        record: `indicators` is set to whether each was fitted.
    """
    import numpy as np

    record["indicators"] = {name: bool(gaps[train].any()) for name, gaps in missing.items()}
    columns = [gaps * record["indicators"][name] for name, gaps in missing.items()]
    return np.stack(columns, axis=1).astype("float64")


def coded(
    codes: np.ndarray,
    texts: list[str],
    keep: np.ndarray,
    train: np.ndarray,
    name: str,
    record: dict[str, Any],
) -> np.ndarray:
    """Return a categorical column as codes: 0 for unknown, then the training set's categories in order."""
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
