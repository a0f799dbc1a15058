"""Columns of a DataFrame of pandas whose types Arrow has not, or cannot read back, as ones that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainrun.errors import listed
from trainrun.ui import console

if TYPE_CHECKING:
    import pandas as pd


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame with intervals (of `pandas.cut`) as texts, periods as the dates of their beginning, and dense columns for sparse ones.

    An index that has a name is said to be left out.
    """
    if named := [str(name) for name in frame.index.names if name is not None]:
        console.warn(
            f"the DataFrame's index, {listed(named)}, is left out. To make it a column: frame.reset_index()."
        )
    changed = {name: made for name in frame.columns if (made := _changed(frame[name])) is not None}
    return frame.assign(**changed) if changed else frame


def _changed(column: pd.Series) -> pd.Series | None:
    import pandas as pd

    kind = column.dtype
    values = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
    if isinstance(values, pd.IntervalDtype):
        return column.astype("object").map(str, na_action="ignore")
    if isinstance(values, pd.PeriodDtype):
        return column.astype(values).dt.to_timestamp()
    return column.sparse.to_dense() if isinstance(kind, pd.SparseDtype) else None
