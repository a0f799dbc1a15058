"""Rows of time series: read from a table, in the order of series and time, with gaps filled by what was before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainrun.data import _table_examples
from trainrun.data._faults import Fault
from trainrun.data._table_examples import TableSource
from trainrun.data._table_settings import TableSettings
from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

DAY = 86400.0


@dataclass(frozen=True)
class SeriesRows:
    """Rows in the order of series and time.

    Args:
        name: of the table.
        settings: with the names of the table.
        values: float64 `[rows, columns]`, the target first; NaN where nothing before fills a missing value.
        known: whether the target is known, bool `[rows]`.
        missing: column -> missing values, where some are.
        series, times: of each row.
        names: of the series; empty if the table is one.
        places: the index of each row in the table.
        notes: sentences on what was inferred, and on what seems wrong.
    """

    name: str
    settings: TableSettings
    values: np.ndarray
    known: np.ndarray
    missing: Mapping[str, int]
    series: np.ndarray
    names: Sequence[str]
    times: np.ndarray
    places: np.ndarray
    notes: Sequence[str]

    @property
    def columns(self) -> list[str]:
        """The columns of a window, the target first."""
        return [self.settings.target, *self.settings.inputs]

    def too_short(self, length: int) -> list[str]:
        """Return a note on the series with fewer rows than a window and the values after it take: nothing is learnt of them."""
        import numpy as np

        rows = np.bincount(self.series)
        short = np.flatnonzero((rows > 0) & (rows < length))
        if not len(short):
            return []
        shown = listed([f"{self.names[i]} ({rows[i]})" for i in short])
        return [
            f"{len(short)} of {np.count_nonzero(rows)} series have fewer than {length} rows, and no window: {shown}"
        ]

    def ordered(self, names: Sequence[str]) -> SeriesRows:
        """Return the rows with their columns in the order of `names`, if these are the same columns, the target first."""
        if self.columns[0] not in names[:1] or sorted(names) != sorted(self.columns):
            return self
        values = self.values[:, [self.columns.index(name) for name in names]]
        settings = dataclasses.replace(self.settings, inputs=tuple(names[1:]))
        return dataclasses.replace(self, values=values, settings=settings)

    def filled(self, fill: Mapping[str, float]) -> np.ndarray:
        """Return the values with those of `fill`, column by column, where none was before."""
        import numpy as np

        if not self.missing:
            return self.values
        return np.where(np.isnan(self.values), np.array(list(fill.values())), self.values)

    def after_the_last_known(self) -> str | None:
        """Return a notice on rows after the last one of their series whose target is known, or None."""
        import numpy as np

        last = np.full(self.series.max() + 1, -1)
        last[self.series[self.known]] = np.flatnonzero(self.known)
        later = self.series[np.arange(len(self.series)) > last[self.series]]
        if not len(later):
            return None
        of_series = f" of {len(np.unique(later))} series" if len(self.names) else ""
        return (
            f"{self.settings.target} has no value in the last rows{of_series} ({len(later)} rows). What follows the last known value stands "
            "in the row of that value; in later rows, whose windows repeat it, stands what would follow them."
        )


def read(source: TableSource, settings: TableSettings) -> tuple[SeriesRows | None, list[Fault]]:
    """Return the rows of a table, or its faults.

    Args:
        source: the table.
        settings: with its names; `group` is the column of series, and `missing` is ``auto`` or ``error``.
    """
    import numpy as np

    examples, settings, faults = _table_examples.examples(source, settings)
    if faults:
        return None, faults
    columns = examples.table.columns
    for key, name in (("series", settings.group), ("time", settings.time)):
        if name is not None and columns[name].missing:
            place = source.locate([columns[name].first_missing])[columns[name].first_missing]
            return None, [(key, f"{place}: column {name} has no value. Fill it in, or leave the row out.")]
    texts = [name for name in settings.inputs if columns[name].numbers is None]
    if texts and settings.features is not None:
        return None, [("features", f"column {texts[0]} is no numbers. Leave it out.")]
    settings = dataclasses.replace(settings, inputs=tuple(n for n in settings.inputs if n not in texts))
    n = examples.table.rows
    series = np.zeros(n, "int64") if settings.group is None else columns[settings.group].codes
    times = np.arange(n, dtype="float64") if settings.time is None else columns[settings.time].numbers
    if settings.time is None and settings.group is not None:
        # The n-th row of each series is at the time n.
        order = np.argsort(series, kind="stable")
        begins = np.searchsorted(series[order], series[order])
        times[order] = np.arange(n) - begins
    order = np.lexsort((times, series))
    series, times = series[order], times[order]
    same = np.flatnonzero((np.diff(series) == 0) & (np.diff(times) == 0))
    if len(same):
        place = source.locate([int(order[same[0] + 1])])[int(order[same[0] + 1])]
        way_out = (
            "Leave one of the rows out."
            if settings.group
            else "Leave one of the rows out; or if there are several series, name their column: data.series=<column>."
        )
        return None, [("time", f"{place}: a second row of the same time as one before. {way_out}")]
    names = [settings.target, *settings.inputs]
    values = np.stack([columns[name].numbers[order] for name in names], axis=1)
    missing = {name: int(count) for name, count in zip(names, np.isnan(values).sum(axis=0), strict=True)}
    missing = {name: count for name, count in missing.items() if count}
    notes = [f"columns that are no numbers are left out: {', '.join(texts)}"] if texts else []
    if settings.time is None and (dates := [name for name in settings.inputs if columns[name].is_date]):
        notes.append(
            f"rows are taken in the order of the file, and column {dates[0]} as a number; to sort by it: data.time={dates[0]}"
        )
    if examples.empty:
        notes.append(f"columns without any value are left out: {', '.join(examples.empty)}")
    if missing:
        shown = listed([f"{name} {count:,}" for name, count in missing.items()])
        notes.append(f"missing values imputed by the last one before, of the same series: {shown}")
    is_date = settings.time is not None and columns[settings.time].is_date
    if is_date and columns[settings.time].notation.clock:
        notes.append(f"column {settings.time} holds {columns[settings.time].kind}")
    notes += _irregular(series, times, is_date)
    known = ~np.isnan(values[:, 0])
    values = _filled_forward(values, series) if missing else values
    series_names = () if settings.group is None else columns[settings.group].texts
    return SeriesRows(
        source.name, settings, values, known, missing, series, series_names, times, order, notes
    ), []


def _filled_forward(values: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return values `[rows, columns]` in which one that is missing is that of the last row of its series which has one."""
    import numpy as np

    rows = np.arange(len(values))[:, None]
    begins = np.searchsorted(series, series)[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(values), begins, np.maximum(rows, begins)), axis=0)
    return np.take_along_axis(values, last, axis=0)


def _irregular(series: np.ndarray, times: np.ndarray, is_date: bool) -> list[str]:
    """Return a note if the rows are not at equal distances: a window takes rows, not times."""
    import numpy as np

    steps = np.diff(times)[np.diff(series) == 0] / (DAY if is_date else 1)
    different, counts = np.unique(steps, return_counts=True)
    if len(different) < 2 or counts.max() == counts.sum():
        return []
    if is_date and different.min() >= 28 and different.max() <= 31:  # a row for each month
        return []
    usual = different[counts.argmax()]
    others = int(counts.sum() - counts.max())
    unit = "" if not is_date else " day" if usual == 1 else " days"
    return [
        f"{others} of {len(steps)} steps in time are not the usual {usual:g}{unit}; a window takes rows, whatever their distance"
    ]
