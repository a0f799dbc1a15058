"""The rows of CSV files, read at once by pyarrow as text; `_table.py` says what they mean."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data import _csv_lines
from trainrun.data._csv_file import UTF_8, CsvFile
from trainrun.data._table_settings import Fault

if TYPE_CHECKING:
    import pyarrow as pa

# The preflight reads files up to this size whole (a quarter of a second), of larger ones the header only.
SMALL = 2_000_000
# Compressed text may grow a thousandfold.
SMALL_COMPRESSED = 100_000
# pyarrow reads a file in blocks of so many bytes at once, or in one of at most 1 GiB.
BLOCK, ONE_BLOCK = 2**20, 2**30


class CsvSource:
    """See `_table_dataset.TableSource`.

    Args:
        file: the file, with its header.
        note: what was found out about it.
    """

    typed = False

    def __init__(self, file: CsvFile, note: str = "") -> None:
        self.name = file.path.name.split(".csv")[0] if file.compression else file.path.stem
        self.header = file.header
        self._file, self._note = file, note

    @property
    def is_small(self) -> bool:
        return self._file.path.stat().st_size <= (SMALL_COMPRESSED if self._file.compression else SMALL)

    def understood(self) -> str:
        return self._note

    def read(self, columns: Sequence[str]) -> tuple[pa.Table | None, list[Fault]]:
        import pyarrow as pa

        try:
            table, complete = _read(self._file, columns)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            faults = _csv_lines.faults(self._file)
            return None, faults or [("path", f"{self._file.path} cannot be read as CSV: {error}")]
        if complete:
            return table, []
        faults = _csv_lines.faults(self._file)
        return table, faults or [("path", f"{self._file.path}: a row has a wrong number of fields.")]

    def locate(self, rows: Sequence[int]) -> Mapping[int, str]:
        lines = _csv_lines.lines(self._file, rows)
        return {row: f"line {lines[row]}" if row in lines else f"row {row + 1}" for row in rows}


def _read(file: CsvFile, columns: Sequence[str]) -> tuple[pa.Table, bool]:
    """Return some columns as text, and whether every row has the right number of fields; the others are left out."""
    import pyarrow as pa
    from pyarrow import csv

    wrong = []

    def skip(row: csv.InvalidRow) -> str:
        if not wrong:
            wrong.append(row)
        return "skip"

    def read(block_size: int, quoted_lines: bool) -> pa.Table:
        source = file.path if file.compression is None else file.open_bytes()
        return csv.read_csv(
            source,
            read_options=csv.ReadOptions(
                column_names=file.header,
                skip_rows=file.header_lines,
                encoding="utf8" if file.encoding == UTF_8 else file.encoding,
                block_size=block_size,
            ),
            parse_options=csv.ParseOptions(
                delimiter=file.delimiter, newlines_in_values=quoted_lines, invalid_row_handler=skip
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
            ),
        )

    quotes, returns = _holds(file, b'"', b"\r")
    # At a block's end pyarrow takes the line feed from a carriage return and line feed within quotes (arrow #51368).
    block_size = ONE_BLOCK if quotes and returns else BLOCK
    try:
        table = read(block_size, quotes)
    except pa.ArrowInvalid as error:
        if "straddl" not in str(error) or block_size == ONE_BLOCK:
            raise
        table = read(ONE_BLOCK, quotes)  # a row longer than a block
    return table, not wrong


def _holds(file: CsvFile, *marks: bytes) -> list[bool]:
    """Return whether a file holds each of some bytes; of one that is not plain UTF-8, that it may."""
    if file.compression or file.encoding != UTF_8:
        return [True] * len(marks)
    with file.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return [content.find(mark) >= 0 for mark in marks]
