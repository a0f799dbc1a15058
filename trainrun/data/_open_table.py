"""Open a table whose format is known by its files' ending."""

from __future__ import annotations

from trainrun.data import _arrow_source, _table_files, csv
from trainrun.data._arrow_source import Format
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import Fault
from trainrun.data._table_examples import TableSource
from trainrun.data._table_files import Paths
from trainrun.data._table_settings import TableSettings
from trainrun.util import paths as util_paths

# Endings of files whose columns have types.
TYPED: tuple[Format, ...] = ("parquet", "feather")


def by_ending(
    paths: Paths,
    form: CsvFormat | None = None,
    is_later: bool = False,
    settings: TableSettings | None = None,
) -> tuple[TableSource | None, list[Fault]]:
    """Return the table of paths, by the ending of that of the training rows, or its faults.

    Args:
        paths: of the parts.
        form: how CSV files are written; without effect on others.
        is_later, settings: see `csv.open_source`.
    """
    kind = next((kind for kind in TYPED if _holds(str(paths["path"]), kind)), None)
    if kind is not None:
        return _arrow_source.open_source(paths, kind, settings)
    return csv.open_source(paths, form or CsvFormat(), is_later, settings)


def _holds(path: str, kind: Format) -> bool:
    """Return whether a path names files of a kind: by its ending, or as a folder with such files."""
    ending = f".{kind}"
    return path.endswith(ending) or (
        util_paths.expanded(path).is_dir() and not _table_files.find(path, [ending], "")[1]
    )


def by_settings(
    paths: Paths, form: CsvFormat, settings: TableSettings | None = None
) -> tuple[TableSource | None, list[Fault]]:
    """Return the table of paths, as CSV if any of its format is set, else by its ending; as `by_ending`."""
    if form.record():
        return csv.open_source(paths, form, settings=settings)
    return by_ending(paths, settings=settings)
