"""A quotation mark that is left open in a CSV file: the lines up to the next one, or to the end, become one value."""

from __future__ import annotations

import csv
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from trainrun.data import _csv_reading
from trainrun.data._csv_file import CsvFile, fields_of_any_length
from trainrun.data._csv_reading import Way

if TYPE_CHECKING:
    import pyarrow as pa


class OpenQuote(NamedTuple):
    """What is wrong, and the lines that are read as one row: 1 is the file's first."""

    message: str
    first: int
    last: int


def find(file: CsvFile) -> OpenQuote | None:
    """Return the first row of several lines that breaks the rules of quotation marks (RFC 4180), which pyarrow and pandas do not enforce."""
    with file.open_text() as stream, fields_of_any_length():
        reader, first = csv.reader(stream, delimiter=file.delimiter, strict=True), 1
        try:
            for _ in reader:
                first = reader.line_num + 1
            return None
        except (UnicodeError, OSError, EOFError):  # is told by others
            return None
        except csv.Error as error:
            last = reader.line_num
            # The csv module has one class of errors.
            end = "by the end of the file" if "end of data" in str(error) else f"before line {last}"
    if first == last:
        return None
    message = (
        f"line {first}: a quotation mark opens that is not closed {end}, so that the lines between are read as one value. "
        'Close it; one that belongs to the text is doubled ("").'
    )
    return OpenQuote(message, first, last)


def hides_rows(file: CsvFile, table: pa.Table) -> bool:
    """Return whether a text consists of rows of the file, and the row that they end has the right number of fields all the same.

    Args:
        file: the file.
        table: columns of it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    separators = len(file.header) - 1
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_string(column.type):
            continue
        before = file.header.index(name)
        # The cheap question first: in a large table, few texts end with a mark.
        marked = column.filter(pc.ends_with(column, '"'))
        several = marked.filter(pc.match_substring(marked, "\n"))
        # To the next quotation mark, or in the last row to the end of the file.
        closed = [(text, before) for text in set(several.to_pylist())]
        for text, at_end in [*closed, *((text, separators) for text in column[-1:].to_pylist())]:
            first, *rest = (line.count(file.delimiter) for line in text.rstrip("\n").split("\n"))
            if rest and [first, *rest] == [separators - before, *[separators] * (len(rest) - 1), at_end]:
                return find(file) is not None
    return False


def is_in_other_columns(file: CsvFile, columns: Collection[str], way: Way, rows: int) -> bool:
    """Return whether a text of a column that is left out consists of rows of the file; see `hides_rows`.

    Args:
        file: the file.
        columns: those that were read.
        way: how.
        rows: their number.
    """
    import pyarrow as pa
    from pyarrow import csv

    others = [name for name in file.header if name not in columns]
    # Most files have a line for each row: to count lines takes much less time than to read the other columns.
    if not others or _lines(file) <= rows + file.header_lines:
        return False
    with csv.open_csv(
        file.open_for_arrow(bounded=False), **_csv_reading.options(file, others, (), way, [])
    ) as reader:
        return any(hides_rows(file, pa.Table.from_batches([batch])) for batch in reader)


def _lines(file: CsvFile) -> int:
    """Return the number of line feeds of a file."""
    with file.open_bytes() as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(_csv_reading.BLOCK), b""))
