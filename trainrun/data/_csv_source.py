"""Read CSV files with pyarrow; `_table.py` interprets the text."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data import (
    _csv_file,
    _csv_lines,
    _csv_reading,
    _leading_zeros,
    _open_quote,
    _spool,
    _spooled_table,
    _table_files,
)
from trainrun.data._arrow_arrays import as_numpy, within
from trainrun.data._bounded_stream import TooLarge, Unexpected
from trainrun.data._columns import number
from trainrun.data._csv_file import CsvFile
from trainrun.data._csv_reading import Way
from trainrun.data._faults import Fault, Place, raise_faults
from trainrun.data._header_names import override
from trainrun.data._large_integers import LARGEST_EXACT
from trainrun.data._notations import understand
from trainrun.util import threads

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# The preflight check reads files up to this size (bytes) completely, in 0.25 s, of larger ones only the header.
SMALL = 2_000_000
# Typical ratio of text to compressed text.
COMPRESSION = 10
# Bytes of a block that `CsvSource.blocks` yields, of several blocks of the reader, which is up to 32 of its own ahead.
STREAMED = 2**23


class CsvSource:
    """See `_table_dataset.TableSource`.

    Args:
        name: of the dataset.
        files: the files, with their headers; the columns of all are the same.
        note: what was found out about them.
        parts: the part that each file is of: 0 training, 1 validation, 2 test.
    """

    typed = False

    def __init__(
        self, name: str, files: Sequence[CsvFile], note: str = "", parts: Sequence[int] = (0,)
    ) -> None:
        self.name, self.header = name, files[0].header
        self._parts, self.own_files = parts, _table_files.own_files(parts)
        self._files, self._note = files, note
        self._rows: list[int] = []  # of each file that was read

    @property
    def is_small(self) -> bool:
        return sum(map(_text_bytes, self._files)) <= SMALL

    def file_parts(self) -> np.ndarray:
        return _table_files.parts_of_rows(self._parts, self._rows)

    def understood(self) -> str:
        return self._note

    def leading_zeros(self) -> Mapping[str, str]:
        return _leading_zeros.of_files(self._files)

    def header_advice(self, names: Sequence[str]) -> str:
        """Return which line of the first file has these columns' names, if its header lacks them; see `_csv_file.header_advice`."""
        return _csv_file.header_advice(self._files[0], names)

    def groups(self, columns: Sequence[str]) -> list[Sequence[str]]:
        return [columns]

    def read(self, columns: Sequence[str], text: Collection[str]) -> tuple[pa.Table | None, list[Fault]]:
        import pyarrow as pa

        # Arrow parses numbers in half the time of reading text and converting it.
        numbers = (
            frozenset(columns).difference(text).intersection(*(file.first_numbers for file in self._files))
        )
        try:
            tables, faults = self._read(columns, numbers)
            if numbers and (faults or not all(_are_clean(table, numbers) for table in tables)):
                tables, faults = self._read(columns, frozenset())
        except TooLarge as error:
            return None, [("path", str(error))]
        self._rows = [table.num_rows for table in tables]
        if len(tables) < len(self._files):
            return None, faults
        return pa.concat_tables(tables), [*faults, *self._kind_faults(tables, set(columns).difference(text))]

    def _kind_faults(self, tables: Sequence[pa.Table], columns: Collection[str]) -> list[Fault]:
        """Return the columns that hold numbers in one file and only texts in another."""
        faults: list[Fault] = []
        for name in self.header if len(tables) > 1 else ():
            if name not in columns or len({name in file.first_numbers for file in self._files}) == 1:
                continue
            values = [_values(table.column(name)) for table in tables]
            counts = [sum(number(value) is not None for value in of_file) for of_file in values]
            numeric = [i for i, n in enumerate(counts) if n > len(values[i]) / 2]
            textual = [
                i for i, n in enumerate(counts) if not n and values[i] and understand(values[i]) is None
            ]
            if numeric and textual:
                later = self._files[max(numeric[0], textual[0])]
                names = [self._files[i].path.name for i in (numeric[0], textual[0])]
                message = (
                    f"column {name} holds numbers in {names[0]} and texts in {names[1]}. Files of one table hold the same; "
                    f"mend one, or take the column as categories: {override('categorical', [name])}."
                )
                faults.append((later.argument, message))
        return faults

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the columns as text, some rows at a time.

        Raises:
            UserError: a row has a wrong number of fields, or the file is damaged; the rows before it were yielded.
        """
        self._rows = []
        for file in self._files:
            self._rows.append(0)
            for way in _csv_reading.ways(file):
                try:
                    yield from self._blocks(file, columns, way)
                    break
                except Unexpected:
                    continue

    def _blocks(self, file: CsvFile, columns: Sequence[str], way: Way) -> Iterator[pa.Table]:
        """Yield the rows of a file that were not yet yielded, some at a time; as `blocks`."""
        import pyarrow as pa
        from pyarrow import csv

        wrong: list[csv.InvalidRow | None] = []
        options = _csv_reading.options(file, columns, (), way, wrong)
        reason, known = "a row has a wrong number of fields.", self._rows[-1]
        pending: list[pa.RecordBatch] = []

        def hides_rows() -> bool:
            return way.quoted_lines and _open_quote.hides_rows(file, pa.Table.from_batches(pending))

        try:
            with csv.open_csv(file.open_for_arrow(way.unexpected, bounded=False), **options) as reader:
                for batch in reader:
                    if wrong:
                        break
                    known, batch = max(0, known - batch.num_rows), batch.slice(known)
                    pending += [batch] if batch.num_rows else []
                    if sum(b.nbytes for b in pending) >= STREAMED:
                        if hides_rows():
                            break
                        yield self._block(pending)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            reason = f"it cannot be read as CSV: {error}"
            wrong.append(None)
        if pending and hides_rows():
            wrong.append(None)
        elif pending:
            yield self._block(pending)
        others = not wrong and way.quoted_lines
        if others and _open_quote.is_in_other_columns(file, columns, way, self._rows[-1]):
            wrong.append(None)
        if wrong:
            faults = _csv_lines.faults(file) or [(file.argument, f"{file.path}: {reason}")]
            raise_faults([(key, self._named(file, message)) for key, message in faults])

    def _block(self, pending: list[pa.RecordBatch]) -> pa.Table:
        """Return the pending batches as a table, and count their rows as yielded."""
        import pyarrow as pa

        table = pa.Table.from_batches(pending)
        self._rows[-1] += table.num_rows
        pending.clear()
        return table

    def _read(self, columns: Sequence[str], numbers: Collection[str]) -> tuple[list[pa.Table], list[Fault]]:
        """Return a table for each readable file, with the columns in `numbers` as float64, and the faults of the rows."""
        import pyarrow as pa

        tables, faults = [], []
        for file in self._files:
            try:
                table, complete = _read(file, columns, numbers)
            except (pa.ArrowException, OSError, UnicodeError) as error:
                if numbers:
                    return [], [("path", str(error))]
                complete, unknown = False, f"{file.path} cannot be read as CSV: {error}"
            else:
                unknown = f"{file.path}: a row has a wrong number of fields."
                tables.append(table)
            if not complete:
                line_faults = _csv_lines.faults(file) or [(file.argument, unknown)]
                faults += [(key, self._named(file, message)) for key, message in line_faults]
        return tables, faults

    def locate(self, rows: Sequence[int]) -> Mapping[int, Place]:
        places, first = {}, 0
        for file, count in zip(self._files, self._rows, strict=True):
            inside = [row - first for row in rows if first <= row < first + count]
            lines = _csv_lines.lines(file, inside) if inside else {}
            for row in inside:
                place = f"line {lines[row]}" if row in lines else f"row {row + 1}"
                places[first + row] = Place(self._named(file, place), file.argument)
            first += count
        return places

    def _named(self, file: CsvFile, place: str) -> str:
        return place if len(self._files) == 1 else f"{file.path.name}, {place}"


def _read(file: CsvFile, columns: Sequence[str], numbers: Collection[str]) -> tuple[pa.Table, bool]:
    """Return columns of a file, and whether every row has the right number of fields and no text holds rows; other rows are skipped.

    Args:
        file: the file.
        columns: names of the columns to read.
        numbers: the columns to read as float64, null for an empty field; the others are read as text.
    """
    import pyarrow as pa
    from pyarrow import csv

    def read(way: Way) -> tuple[pa.Table, bool]:
        wrong: list[csv.InvalidRow] = []
        table = rows(way, _csv_reading.options(file, columns, numbers, way, wrong))
        hidden = way.quoted_lines and (
            _open_quote.hides_rows(file, table)
            or _open_quote.is_in_other_columns(file, columns, way, table.num_rows)
        )
        return table, not (wrong or hidden)

    def rows(way: Way, options: dict[str, Any]) -> pa.Table:
        if _text_bytes(file) <= _spool.LARGE:
            return csv.read_csv(file.open_for_arrow(way.unexpected), **options)
        if way.block_size == _csv_reading.BLOCK:
            options["read_options"].block_size = _csv_reading.SMALL_BLOCK
        if way.quoted_lines or file.compression:
            with csv.open_csv(file.open_for_arrow(way.unexpected), **options) as reader:
                return _spooled_table.arrow_table(reader.schema, reader)
        types = options["convert_options"].column_types  # made anew by each access
        schema = pa.schema([(name, types[name]) for name in columns])
        # A field takes a byte at least, with its separator.
        most = _text_bytes(file) // len(file.header) + 1
        return _spooled_table.arrow_table(schema, _csv_reading.pieces(file, options, way.unexpected), most)

    for way in _csv_reading.ways(file):
        try:
            return read(way)
        except Unexpected:
            continue
        except pa.ArrowInvalid as error:
            if "straddl" not in str(error) or way.block_size == _csv_reading.ONE_BLOCK:
                raise
            return read(_csv_reading.ANY_ROWS)  # a row longer than a block
    raise AssertionError("the last way reads everything")


def _text_bytes(file: CsvFile) -> int:
    """Return the bytes of a file's text, of a compressed one about."""
    return file.path.stat().st_size * (COMPRESSION if file.compression else 1)


def _are_clean(table: pa.Table, numbers: Collection[str]) -> bool:
    """Return whether the columns in `numbers` hold only finite numbers that float64 holds exactly, if they are whole; otherwise their text is needed."""
    import pyarrow.compute as pc

    def is_clean(name: str) -> bool:
        column = table.column(name)
        if column.null_count == len(column) or not math.isfinite(pc.sum(column).as_py()):
            return False
        # Not `pyarrow.compute.min_max`, which takes ten times as long.
        return all(within(as_numpy(chunk, 0.0), LARGEST_EXACT) for chunk in column.chunks)

    return all(threads.ahead(is_clean, numbers))


def _values(column: pa.ChunkedArray) -> list[str]:
    """Return the different values of a column, without the empty one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.cast(column.unique(), pa.string()).to_pylist()
    return [value.strip() for value in values if value and value.strip()]
