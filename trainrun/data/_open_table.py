"""Open a table whose format is known by its files' ending, or by their content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainrun.data import _arrow_source, _table_files, csv
from trainrun.data._arrow_source import Format
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import Fault
from trainrun.data._table_examples import TableSource
from trainrun.data._table_files import Paths
from trainrun.data._table_settings import TableSettings

# Format of files whose columns have types -> their first bytes.
MARKS: Mapping[Format, bytes] = {"parquet": b"PAR1", "feather": b"ARROW1"}
LONGEST_MARK = max(map(len, MARKS.values()))


def by_content(
    paths: Paths,
    form: CsvFormat | None = None,
    is_later: bool = False,
    settings: TableSettings | None = None,
) -> tuple[TableSource | None, list[Fault]]:
    """Return the table of paths, in the format of the training rows' files, or its faults.

    Args:
        paths: of the parts.
        form: how CSV files are written; without effect on others.
        is_later, settings: see `csv.open_source`.
    """
    if (kind := _typed(str(paths["path"]))) is not None:
        return _arrow_source.open_source(paths, kind, settings)
    return csv.open_source(paths, form or CsvFormat(), is_later, settings)


def _typed(path: str) -> Format | None:
    """Return the format of a path's files whose columns have types, by ending or content; None: they are text, or there are none."""
    for kind in MARKS:
        if path.endswith(f".{kind}"):
            return kind
    for kind in MARKS:
        files, faults = _table_files.find(path, [f".{kind}"], "")
        if files and not faults:
            return _format(files[0])
    return None


def _format(file: Path) -> Format | None:
    """Return the format of a file, by ending or first bytes; that of a file at an address may end in a query."""
    with file.open("rb") as stream:
        by_start = of_start(stream.read(LONGEST_MARK))
    return next((kind for kind in MARKS if kind in (file.suffix[1:], by_start)), None)


def of_start(start: bytes) -> Format | None:
    """Return the format of a file's first `LONGEST_MARK` bytes; None: it is text."""
    return next((kind for kind, mark in MARKS.items() if start.startswith(mark)), None)


def by_settings(
    paths: Paths, form: CsvFormat, settings: TableSettings | None = None
) -> tuple[TableSource | None, list[Fault]]:
    """Return the table of paths, as CSV if any of its format is set, else as `by_content`."""
    if form.record():
        return csv.open_source(paths, form, settings=settings)
    return by_content(paths, settings=settings)
