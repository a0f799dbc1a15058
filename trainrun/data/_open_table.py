"""Open a table whose format is known by its files' ending."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.data import _arrow_source, csv
from trainrun.data._faults import Fault
from trainrun.data._table_examples import TableSource

# Endings of files whose columns have types.
TYPED = ("parquet", "feather")


def by_ending(
    paths: Sequence[str | None], delimiter: str | None = None, encoding: str | None = None
) -> tuple[TableSource | None, list[Fault]]:
    """Return the table of paths, by the ending of the first one, or its faults.

    Args:
        paths: of training, validation and test rows.
        delimiter, encoding: of a CSV file, as in `data.csv.csv`; without effect on others.
    """
    kind = next((kind for kind in TYPED if str(paths[0]).endswith(f".{kind}")), None)
    if kind is not None:
        return _arrow_source.open_source(paths, kind)
    return csv.open_source(paths, delimiter, encoding)


def by_settings(
    paths: Sequence[str | None], delimiter: str | None, encoding: str | None
) -> tuple[TableSource | None, list[Fault]]:
    """Return the table of paths, as CSV if a delimiter or an encoding is set, else by its ending; as `by_ending`."""
    if delimiter is None and encoding is None:
        return by_ending(paths)
    return csv.open_source(paths, delimiter, encoding)
