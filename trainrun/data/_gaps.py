"""Impute missing values and encode categories, both fitted on the training set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trainrun.data._columns import number

if TYPE_CHECKING:
    import numpy as np

# The code of a category that the training set does not have, and its name in the record.
UNKNOWN, UNKNOWN_NAME = 0, "<unknown>"
# Rows that are inspected first to find a number that is no integer.
PREFIX = 1000
# Numbers by which a median is bounded.
FEW = 1000
# Texts that pandas.read_csv takes for missing values, too.
BLANK = frozenset(
    ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A", "#NA", "-NaN", "-nan")
)
# The policies that impute nothing.
NOT_IMPUTING = ("error", "drop")


def as_pandas_reads(words: Iterable[str]) -> Literal["none", "blank", "text"]:
    """Return what missing values make of a column in pandas: see `preprocessor.Column.gaps`.

    Args:
        words: that stand for missing values in the column.
    """
    words = tuple(words)
    if all(is_integer(word) for word in words):
        return "none"
    return "blank" if all(word in BLANK or number(word) is not None for word in words) else "text"


def is_integer(text: str) -> bool:
    """Return whether a text is an integer as Python writes it: 7, not 007."""
    return text.isascii() and text.removeprefix("-").isdigit() and str(int(text)) == text


def filled(
    values: np.ndarray, train: np.ndarray, missing: str, name: str, record: dict[str, Any], unit: float = 0.0
) -> np.ndarray:
    """Return a column with its missing values imputed: the mean or median of the training set.

    Args:
        values: numbers `[n]`, NaN where one is missing.
        train: indices of the training set.
        missing: the policy; ``mean_or_mode`` takes the mean, any other that imputes the median.
        name: of the column.
        record: `fill[name]` is set to the imputed value, also if no value is missing here: later rows may miss some. One that is
            there already is used.
        unit: the imputed value is rounded down to a multiple of it; 0: no.
    """
    import numpy as np

    gaps = np.isnan(values)
    has_gaps = bool(gaps.any())
    if name not in record["fill"] and missing not in NOT_IMPUTING:
        known = values[train]
        if has_gaps:
            known = known[~np.isnan(known)]
        fill = float((np.mean if missing == "mean_or_mode" else median)(known)) if len(known) else 0.0
        record["fill"][name] = fill // unit * unit if unit else fill
    return np.where(gaps, record["fill"].get(name, np.nan), values) if has_gaps else values


def median(values: np.ndarray) -> float:
    """Return the median of numbers `[n]`, `numpy.median` in a third of the time: only numbers near it are put in order."""
    import numpy as np

    few = np.sort(values[:: max(1, len(values) // FEW)])
    low, high = few[int(0.45 * len(few))], few[int(0.55 * len(few))]
    near = values[(values >= low) & (values <= high)]
    below = np.count_nonzero(values < low)
    middle = [(len(values) - 1) // 2 - below, len(values) // 2 - below]
    if middle[0] < 0 or middle[1] >= len(near):
        return np.median(values)
    return np.partition(near, middle)[middle].mean()


def is_whole(numbers: np.ndarray) -> bool:
    """Return whether all numbers that are present are integers."""
    import numpy as np

    def whole(values: np.ndarray) -> bool:
        return not bool((values != np.floor(values))[~np.isnan(values)].any())

    return whole(numbers[:PREFIX]) and whole(numbers)


def indicator(name: str, missing: np.ndarray, train: np.ndarray, record: dict[str, Any]) -> np.ndarray:
    """Return a column of truth values for one with missing values: whether one is missing, bool `[n]`.

    How many there are depends on the table alone, not on the split, so that all seeds and folds have models of one shape. A
    column without missing values in the training set has an indicator that is 0 throughout, since no weight was learnt for it.

    Args:
        name: of the column with missing values.
        missing: where its values are missing, bool `[n]`.
        train: indices of the training set.
        record: `indicators[name]` is set to whether it was fitted, unless it is there already.
    """
    return missing & record.setdefault("indicators", {}).setdefault(name, bool(missing[train].any()))


def coded(
    codes: np.ndarray,
    texts: Sequence[str],
    train: np.ndarray,
    missing: str,
    name: str,
    record: dict[str, Any],
) -> np.ndarray:
    """Return a categorical column as codes, int32 `[n]`: 0 for unknown, then the training set's categories in order.

    Args:
        codes: of each example an index into `texts`, -1 where the value is missing.
        texts: the different values.
        train: indices of the training set.
        missing: the policy.
        name: of the column.
        record: `categories[name]` and `fill[name]` are set, unless they are there already.
    """
    import numpy as np

    if name not in record["categories"]:
        present, counts = np.unique(codes[train][codes[train] >= 0], return_counts=True)
        record["categories"][name] = [UNKNOWN_NAME, *(texts[i] for i in present)]
        if missing not in NOT_IMPUTING and len(present):
            record["fill"][name] = texts[int(present[counts.argmax()])]
    known = {text: code for code, text in enumerate(record["categories"][name]) if code != UNKNOWN}
    # The last one is that of a missing value, whose code is -1.
    recode = [*(known.get(text, UNKNOWN) for text in texts), known.get(record["fill"].get(name), UNKNOWN)]
    return np.array(recode, "int32")[codes]
