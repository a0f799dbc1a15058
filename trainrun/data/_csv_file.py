"""Inspect the beginning of a CSV file: compression, encoding, delimiter and column names."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trainrun.data import _encoding, _file_kinds, _header_names, _notations
from trainrun.data._bounded_stream import BoundedStream
from trainrun.data._columns import number
from trainrun.data._csv_format import CsvFormat
from trainrun.data._encoding import UTF_8
from trainrun.data._faults import Fault

# Bytes read to inspect a file; a longer header is refused.
LONGEST_LINE = 1_000_000
# Bytes within which the first rows end.
LONGEST_ROWS = 64_000_000
# Characters and rows that the delimiter is inferred from.
SAMPLE, SAMPLE_ROWS = 100_000, 20
# Lines in which columns' names are searched.
TOP = 20
# Rows that numeric columns are inferred from.
FIRST_ROWS = 5
DELIMITERS = (",", ";", "\t", "|")
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}  # by a file's first bytes


@dataclass(frozen=True)
class CsvFile:
    """One CSV file.

    Args:
        path: of the file.
        delimiter: between fields.
        encoding: of its text.
        compression: ``gzip``, ``zstd``, ``bz2`` or None.
        header: the names of its columns.
        header_lines: lines before the first row: up to and with the header.
        first_numbers: the columns whose first values are numbers or missing, in a notation that pyarrow reads.
        decimal: the decimal separator of numbers.
        guess: of an encoding that is a guess, what it reads; see `_encoding.Encoding`.
        argument: the dataset's argument with its path, which faults name.
    """

    path: Path
    delimiter: str
    encoding: str
    compression: str | None = None
    header: tuple[str, ...] = ()
    header_lines: int = 1
    first_numbers: frozenset[str] = frozenset()
    decimal: str = "."
    guess: str = ""
    argument: str = "path"

    def open_bytes(self) -> IO[bytes]:
        """Open the file in binary mode, decompressed."""
        if self.compression is None:
            return self.path.open("rb")
        import pyarrow as pa

        return pa.input_stream(str(self.path), compression=self.compression)

    def open_for_arrow(self, unexpected: bytes | None = None, bounded: bool = True) -> Any:
        """Open the file for pyarrow; arguments as of `BoundedStream`, `bounded` only of a compressed file."""
        import pyarrow as pa

        # By a path pyarrow would unpack plain text that is called .csv.gz.
        stream = pa.OSFile(str(self.path)) if self.compression is None else self.open_bytes()
        if self.compression is None and unexpected is None:
            return stream
        return BoundedStream(stream, self.path, unexpected, bounded and self.compression is not None)

    def open_text(self) -> IO[str]:
        """Open the file in text mode, with newlines untranslated as the csv module requires."""
        return io.TextIOWrapper(self.open_bytes(), encoding=self.encoding, newline="")

    def rows(self, stream: IO[str], skipped_lines: int) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and fields of each row after the first lines, skipping blank lines.

        Args:
            stream: of `open_text`.
            skipped_lines: how many lines come before.

        Raises:
            csv.Error: a row cannot be read; its message has no line.
        """
        for _ in range(skipped_lines):
            next(stream, None)
        reader = csv.reader(stream, delimiter=self.delimiter)
        for row in reader:
            if row:
                yield skipped_lines + reader.line_num, row


@contextlib.contextmanager
def fields_of_any_length() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a field; `pyarrow.csv` has none either."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def look(
    path: Path, form: CsvFormat, is_later: bool = False, argument: str = "path"
) -> tuple[CsvFile | None, list[Fault]]:
    """Return a file with its header, or the faults that keep it from being a table; reads only its beginning.

    Args:
        path: a file that can be opened.
        form: how it is written; without a delimiter, it is inferred from the first rows, without an encoding, it is UTF-8, or UTF-16 if the
            file begins with its byte-order mark.
        is_later: whether `form` is that of the training file, and this is another one, whose own bytes tell its encoding; all are read.
        argument: see `CsvFile`.
    """
    encoding = form.encoding
    if encoding is not None and codecs.lookup(encoding).name == "utf-8":
        encoding = UTF_8
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
        compression = next((c for mark, c in COMPRESSIONS.items() if magic.startswith(mark)), None)
        file = CsvFile(
            path,
            form.delimiter or ",",
            encoding or UTF_8,
            compression,
            decimal=form.decimal or ".",
            argument=argument,
        )
        with file.open_bytes() as stream:
            start = stream.read(LONGEST_LINE)
        if is_later:
            with file.open_bytes() as stream:
                found = _encoding.of_later_file(stream, encoding)
            file = dataclasses.replace(file, encoding=found.name, guess=found.guess)
        elif encoding is None:
            file = dataclasses.replace(file, encoding=_encoding.by_mark(start) or UTF_8)
    except OSError as error:
        return None, [(argument, f"{path} cannot be unpacked: {error}. Is it complete?")]
    if b"\0" in start and not file.encoding.lower().startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
        return None, [(argument, _file_kinds.with_nul(path, start))]
    text = start.decode(file.encoding, "replace")
    if kind := _file_kinds.of_text(text):
        return None, [(argument, f"{path} is no table. {kind}")]
    if "\n" not in text and "\r" not in text and len(start) == LONGEST_LINE:
        message = f"{path}: its first line has more than {LONGEST_LINE:,} bytes; expected the columns' names. Is it a table?"
        return None, [(argument, message)]
    if len(start) == LONGEST_LINE and (message := _too_long(file, form.skipped_lines())):
        return None, [(argument, message)]
    if form.delimiter is None:
        table = text[:SAMPLE].splitlines(keepends=True)[form.skipped_lines() :]
        file = dataclasses.replace(
            file, delimiter=sniff_delimiter("".join(table), (form.decimal, form.thousands))
        )
    return _with_header(file, form)


def _too_long(file: CsvFile, skipped_lines: int) -> str:
    """Return a message if the first rows do not end, as in a small file that unpacks to one line of gigabytes; "": they do."""
    ends, read = Counter[int](), 0
    with file.open_bytes() as stream:
        while read < LONGEST_ROWS and (block := stream.read(LONGEST_LINE)):
            ends.update({end: block.count(end) for end in b"\n\r"})
            if (lines := max(ends.values())) > skipped_lines + FIRST_ROWS:
                return ""
            read += len(block)
    if read < LONGEST_ROWS:
        return ""
    return f"{file.path}: line {lines + 1} has not ended after {LONGEST_ROWS:,} bytes; expected a row of fields. Is it a table?"


def _with_header(file: CsvFile, form: CsvFormat) -> tuple[CsvFile | None, list[Fault]]:
    """Return a file with the names of its columns and what its first rows tell, or its faults; as `look`."""
    line, header, header_lines, first_rows = form.skipped_lines(), None, 0, []
    try:
        with file.open_text() as stream, fields_of_any_length():
            for line, row in file.rows(stream, form.skipped_lines()):
                if header is None and form.has_names():
                    header, header_lines = tuple(name.strip() for name in row), line
                    continue
                first_rows.append(row)
                if len(first_rows) == FIRST_ROWS:
                    break
    except UnicodeError as error:
        return None, [(file.argument, _encoding.fault(file.path, file.encoding, error))]
    except (OSError, EOFError) as error:
        return None, [(file.argument, f"{file.path} cannot be unpacked: {error}. Is it complete?")]
    except csv.Error as error:
        message = (
            f"{file.path}, after line {line}: {error}. Is a quotation mark left open, or is it no table?"
        )
        return None, [(file.argument, message)]
    if header is None and form.header and form.has_names():
        return None, [("header", f"{file.path} has no line {form.header} with names.")]
    if not first_rows:
        quote = "" if "\n" not in "".join(header or ()) else " Is a quotation mark in the header left open?"
        found = "a header and no rows" if any(header or ()) else "no rows"
        return None, [(file.argument, f"{file.path} has {found}.{quote}")]
    # Names may be given because the header lacks some.
    width = len(first_rows[0]) if header is None or form.names is not None else len(header)
    if form.names is not None and len(form.names) != width:
        return None, [("names", f"{len(form.names)} names for the {width} columns of {file.path}.")]
    if header is not None and header.count("") == 1:
        # As pandas names it, which writes its index so.
        header = tuple(name or f"Unnamed: {i}" for i, name in enumerate(header))
    header = form.names or header or tuple(f"column_{i + 1}" for i in range(width))
    others = [d for d in DELIMITERS if d != file.delimiter and d in "".join(header)]
    if others and width == 1:
        message = f"{file.path}: the fields seem to be separated by {others[0]!r}: data.delimiter={as_typed(others[0])}."
        return None, [("delimiter", message)]
    numbers = frozenset() if form.thousands else _numbers(header, first_rows, form)
    return dataclasses.replace(file, header=header, header_lines=header_lines, first_numbers=numbers), []


def header_advice(file: CsvFile, names: Sequence[str]) -> str:
    """Return which line of a file has the columns' names, if the first one does not; "": the first one has, or none is known.

    Args:
        file: read without `CsvFormat.header`.
        names: of columns that the file has.
    """
    if not names or set(names) <= set(file.header):
        return ""
    with file.open_text() as stream:
        lines = [line.rstrip("\r\n") for line in itertools.islice(stream, TOP)]
    if len(file.header) == 1 and set(names) < set(lines[0].replace('"', "").split()):
        runs = "  " in lines[0].strip() or {len(line.split(" ")) for line in lines if line} != {
            len(lines[0].split())
        }
        way_out = "one comma in place of each run of them: tr -s ' ' ','" if runs else "data.delimiter=blank"
        return f"The fields seem to be separated by blanks: {way_out}."
    for i, line in enumerate(lines, 1):
        for delimiter in DELIMITERS:
            fields = [field.strip(' "') for field in line.split(delimiter)]
            if set(names) < set(fields) and all(number(field) is None for field in fields):
                return f"Line {i} has: data.header={i}."
    if any(number(name) is not None for name in file.header):
        return f"If that is a row, without names above it: {_header_names.NAMELESS}"
    return ""


def _numbers(header: Sequence[str], rows: Sequence[Sequence[str]], form: CsvFormat) -> frozenset[str]:
    """Return the columns that have at least one number and otherwise only empty fields in these rows."""
    read = _notations.reader(form.decimal, form.thousands)
    columns = itertools.zip_longest(*rows, fillvalue="-")
    values = {name: [text for text in column if text] for name, column in zip(header, columns, strict=False)}
    return frozenset(
        name for name, texts in values.items() if texts and all(read(text) is not None for text in texts)
    )


def sniff_delimiter(sample: str, within_numbers: Sequence[str | None] = ()) -> str:
    """Return the delimiter that splits the first rows into equally many fields; of several, the one with most fields.

    Args:
        sample: the first rows.
        within_numbers: separators of numbers, which separate fields only if nothing else does.
    """

    def fields(delimiter: str) -> tuple[bool, int]:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            rows = list(itertools.islice((row for row in reader if row), SAMPLE_ROWS))
        except csv.Error:
            return False, 1
        # The sample may end within its last row.
        widths = [len(row) for row in (rows if len(rows) in (1, SAMPLE_ROWS) else rows[:-1])]
        width = widths[0] if widths else 1
        return width > 1 and len(set(widths)) == 1, width

    with fields_of_any_length():
        splitting = {delimiter: fields(delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda d: (splitting[d][0] and d not in within_numbers, splitting[d]))
    return best if splitting[best][1] > 1 else ","


def as_typed(delimiter: str) -> str:
    """Return a delimiter as it is typed on the command line."""
    return "tab" if delimiter == "\t" else f'"{delimiter}"'
