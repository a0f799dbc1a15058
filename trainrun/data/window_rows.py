"""Rows to predict of time series: all windows of a table, for a model that was trained on windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainrun.data import _series_rows
from trainrun.data._faults import raise_faults
from trainrun.data._table_settings import TableSettings
from trainrun.data._windows import Windows
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from trainrun.data._table_examples import TableSource


def read(source: TableSource, fitted: Preprocessor, further: Sequence[str]) -> tuple[np.ndarray, pa.Table]:
    """Return the windows of a table, float64 `[n, window, columns]`, and other columns of the last row of each.

    There is a window for each row that has enough rows before it in its series: the last one of a series predicts what comes after
    the table.

    Args:
        source: the table, with the columns of the training.
        fitted: of the model.
        further: columns that are wanted.

    Raises:
        UserError: columns are lacking or have faults, or no series is long enough.
    """
    import numpy as np

    form, length = fitted.windows, fitted.inputs[0].shape[0]
    settings = TableSettings(
        form.columns[0],
        features=form.columns[1:],
        group=form.series,
        time=form.time,
        task="regression",
        na_values=fitted.missing_words,
        inputs=form.columns[1:],
        numeric=frozenset(form.columns[1:]),
        decimal=fitted.file.decimal,
        thousands=fitted.file.thousands,
    )
    rows, faults = _series_rows.read(source, settings)
    raise_faults(faults)
    values = np.where(np.isnan(rows.values), form.fill or np.nan, rows.values)
    begins = np.searchsorted(rows.series, rows.series)
    ends = np.flatnonzero(np.arange(len(values)) - begins >= length - 1)
    if not len(ends):
        text = f"the model takes windows of {length} rows, and no series has so many."
        raise UserError(Problem("data", text))
    raw, faults = source.read(list(further), list(further)) if further else (None, [])
    raise_faults(faults)
    windows = Windows(values, ends - length + 1, length)[:]
    return windows, _kept(raw, rows.places[ends])


def _kept(raw: pa.Table | None, places: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return pa.table({}) if raw is None else raw.take(places)
