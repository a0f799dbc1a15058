"""Windows of time series: which rows each has, and which part it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class Windows:
    """Windows of the rows of a table, made on access; see `lazy_array.Rows`.

    Args:
        values: rows in the order of series and time, float64 `[rows, columns]`.
        starts: the first row of each window.
        length: rows of a window.
    """

    def __init__(self, values: np.ndarray, starts: np.ndarray, length: int) -> None:
        import numpy as np

        self._values, self._starts, self._offsets = values, starts, np.arange(length)
        self.shape, self.dtype = (len(starts), length, values.shape[1]), values.dtype

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, key: Any, /) -> np.ndarray:
        return self._values[self._starts[key][:, None] + self._offsets]


@dataclass(frozen=True)
class Cut:
    """Windows and their parts.

    Args:
        starts: the first row of each window.
        parts: indices of the windows of training, validation and test.
        training_rows: the rows of the times that are trained on, bool `[rows]`.
        unknown: windows that are left out because a value to predict is missing.
    """

    starts: np.ndarray
    parts: tuple[np.ndarray, np.ndarray, np.ndarray]
    training_rows: np.ndarray
    unknown: int = 0


def joined(
    values: np.ndarray, windows: Cut, sets: Iterable[tuple[np.ndarray, Cut]]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the rows of a table and of further sets in one array, the first row of each window, and the windows of each part and set.

    Args:
        values, windows: of the table.
        sets: the same of each set, all of whose windows are in the first part.
    """
    import numpy as np

    arrays, starts, parts = [values], [windows.starts], [*windows.parts]
    for values_of_set, windows_of_set in sets:
        parts.append(windows_of_set.parts[0] + sum(map(len, starts)))
        starts.append(windows_of_set.starts + sum(map(len, arrays)))
        arrays.append(values_of_set)
    if len(arrays) == 1:
        return values, windows.starts, parts
    return np.concatenate(arrays), np.concatenate(starts), parts


def cut(
    series: np.ndarray,
    times: np.ndarray,
    window: int,
    horizon: int,
    stride: int,
    held_out: tuple[float, float],
    folds: tuple[int, int] | None = None,
    max_train_size: int | None = None,
) -> Cut:
    """Return all windows that lie in one series with the values to predict, divided by time.

    A window belongs to the part in whose time all values to predict lie; what it sees before may lie in an earlier part. Windows
    whose values to predict lie in two parts belong to none.

    Args:
        series: of each row, in blocks.
        times: of each row, ascending in each series.
        window: rows that are seen.
        horizon: rows after them that are predicted.
        stride: rows from one window to the next.
        held_out: shares of the different times for validation and test: the latest.
        folds: which fold, of how many, is the validation part: the times before the test part are one block more than folds, and fold
            i is block i + 1, as in `sklearn.model_selection.TimeSeriesSplit`. None: the share of `held_out`.
        max_train_size: how many of the times before the validation part are trained on; None: all.
    """
    import numpy as np

    length = window + horizon
    begins = np.flatnonzero(np.diff(series, prepend=series[0] - 1))
    ends = np.append(begins[1:], len(series))
    starts = np.concatenate(
        [np.arange(b, e - length + 1, stride) for b, e in zip(begins, ends, strict=True)]
    ).astype("int64")
    different = np.unique(times)
    validation, test = (max(1, round(len(different) * share)) if share else 0 for share in held_out)
    # Beyond the last time where there is no such part.
    bounds = [*different, np.inf]
    before_test = max(len(different) - test, 0)
    begin, end = max(before_test - validation, 0), before_test
    if folds is not None:
        begin, end = (before_test * (folds[0] + i) // (folds[1] + 1) for i in (1, 2))
    oldest = bounds[0 if max_train_size is None else max(begin - max_train_size, 0)]
    first_validation, last_validation, first_test = bounds[begin], bounds[end], bounds[before_test]
    first, last = times[starts + window], times[starts + length - 1]
    parts = (
        np.flatnonzero((first >= oldest) & (last < first_validation)),
        np.flatnonzero((first >= first_validation) & (last < last_validation)),
        np.flatnonzero(first >= first_test),
    )
    return Cut(starts, parts, (times >= oldest) & (times < first_validation))
