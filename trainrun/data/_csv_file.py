"""Inspect the beginning of a CSV file: compression, encoding, delimiter and column names."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainrun.data._columns import number
from trainrun.data._faults import Fault

# Bytes read to inspect a file; a longer header is refused.
LONGEST_LINE = 1_000_000
# Characters and rows that the delimiter is inferred from.
SAMPLE, SAMPLE_ROWS = 100_000, 20
# Rows that numeric columns are inferred from.
FIRST_ROWS = 5
DELIMITERS = (",", ";", "\t", "|")
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}  # by a file's first bytes
BYTE_ORDER_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
UTF_8 = "utf-8-sig"
# The most common encoding besides UTF-8: Western European Windows.
OTHER_ENCODING = "cp1252"
# Bytes that a message shows before and after an invalid one.
SHOWN_AROUND = 8


@dataclass(frozen=True)
class CsvFile:
    """One CSV file.

    Args:
        path: of the file.
        delimiter: between fields.
        encoding: of its text.
        compression: ``gzip``, ``zstd``, ``bz2`` or None.
        header: the names of its columns.
        header_lines: lines up to and with the header.
        first_numbers: the columns whose first values are numbers or missing.
    """

    path: Path
    delimiter: str
    encoding: str
    compression: str | None = None
    header: tuple[str, ...] = ()
    header_lines: int = 1
    first_numbers: frozenset[str] = frozenset()

    def open_bytes(self) -> IO[bytes]:
        """Open the file in binary mode, decompressed."""
        if self.compression is None:
            return self.path.open("rb")
        import pyarrow as pa

        return pa.input_stream(str(self.path), compression=self.compression)

    def open_text(self) -> IO[str]:
        """Open the file in text mode, with newlines untranslated as the csv module requires."""
        return io.TextIOWrapper(self.open_bytes(), encoding=self.encoding, newline="")


@contextlib.contextmanager
def fields_of_any_length() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a field; `pyarrow.csv` has none either."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def look(path: Path, delimiter: str | None, encoding: str | None) -> tuple[CsvFile | None, list[Fault]]:
    """Return a file with its header, or the faults that keep it from being a table; reads only its beginning.

    Args:
        path: a file that can be opened.
        delimiter: between fields; None: inferred from the first rows.
        encoding: of the text; None: UTF-8, or UTF-16 if it begins with its byte-order mark.
    """
    if encoding is not None and codecs.lookup(encoding).name == "utf-8":
        encoding = UTF_8
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
        compression = next((c for mark, c in COMPRESSIONS.items() if magic.startswith(mark)), None)
        file = CsvFile(path, delimiter or ",", encoding or UTF_8, compression)
        with file.open_bytes() as stream:
            start = stream.read(LONGEST_LINE)
    except OSError as error:
        return None, [("path", f"{path} cannot be unpacked: {error}. Is it complete?")]
    if encoding is None:
        marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), UTF_8)
        file = dataclasses.replace(file, encoding=marked)
    if b"\0" in start and not file.encoding.lower().startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
        return None, [("path", f"{path} is no text file. {_no_text(start)}")]
    text = start.decode(file.encoding, "replace")
    if "\n" not in text and "\r" not in text and len(start) == LONGEST_LINE:
        message = f"{path}: its first line has more than {LONGEST_LINE:,} bytes; expected the columns' names. Is it a table?"
        return None, [("path", message)]
    if delimiter is None:
        file = dataclasses.replace(file, delimiter=sniff_delimiter(text[:SAMPLE]))
    try:
        with file.open_text() as stream, fields_of_any_length():
            reader = csv.reader(stream, delimiter=file.delimiter)
            header = tuple(name.strip() for name in next((row for row in reader if row), ()))
            header_lines = reader.line_num
            first_rows = list(itertools.islice((row for row in reader if row), FIRST_ROWS))
    except UnicodeError as error:
        return None, [("path", not_in_encoding(file, error))]
    except (OSError, EOFError) as error:
        return None, [("path", f"{path} cannot be unpacked: {error}. Is it complete?")]
    except csv.Error as error:
        message = (
            f"{path}, line {reader.line_num}: {error}. Is a quotation mark left open, or is it no table?"
        )
        return None, [("path", message)]
    if not first_rows:
        return None, [("path", f"{path} has a header and no rows.")]
    others = [d for d in DELIMITERS if d != file.delimiter and d in "".join(header)]
    if others and len(header) == 1:
        message = (
            f"{path}: the fields seem to be separated by {others[0]!r}: data.delimiter={as_typed(others[0])}."
        )
        return None, [("delimiter", message)]
    return dataclasses.replace(
        file, header=header, header_lines=header_lines, first_numbers=_numbers(header, first_rows)
    ), []


def _numbers(header: Sequence[str], rows: Sequence[Sequence[str]]) -> frozenset[str]:
    """Return the columns that have at least one number and otherwise only empty fields in these rows."""
    columns = itertools.zip_longest(*rows, fillvalue="-")
    values = {name: [text for text in column if text] for name, column in zip(header, columns, strict=False)}
    return frozenset(
        name for name, texts in values.items() if texts and all(number(text) is not None for text in texts)
    )


def sniff_delimiter(sample: str) -> str:
    """Return the delimiter that splits the first rows into equally many fields; of several, the one with most fields."""

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
    best = max(DELIMITERS, key=splitting.get)
    return best if splitting[best][1] > 1 else ","


def as_typed(delimiter: str) -> str:
    """Return a delimiter as it is typed on the command line."""
    return "tab" if delimiter == "\t" else f'"{delimiter}"'


def not_in_encoding(file: CsvFile, error: UnicodeError) -> str:
    """Return the message for a file that cannot be decoded."""
    name = "UTF-8" if file.encoding == UTF_8 else file.encoding
    message = (
        f"{file.path} cannot be read as text in {name}: {error}. Save it as UTF-8, or name its encoding: "
    )
    if not isinstance(error, UnicodeDecodeError):
        return f"{message}data.encoding."
    start = max(0, error.start - SHOWN_AROUND)
    around = error.object[start : error.start + SHOWN_AROUND].decode(OTHER_ENCODING, "replace")
    return f"{message}data.encoding={OTHER_ENCODING} (Western European, also called latin-1) would read {around!r}."


def _no_text(start: bytes) -> str:
    """Return the advice for a file that contains NUL bytes."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = start[offset:2000:2]
        if half.count(0) > 0.8 * len(half) and start[1 - offset : 2000 : 2].count(0) < 0.2 * len(half):
            return f"If it is text in UTF-16 without a byte-order mark: data.encoding={encoding}."
    return "Expected comma-separated text in UTF-8; for arrays take data=npz."
