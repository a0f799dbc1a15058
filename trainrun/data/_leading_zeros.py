"""Columns of digits with leading zeros, such as zip codes, which are read as numbers and are none."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data._columns import number
from trainrun.data._csv_file import CsvFile, fields_of_any_length
from trainrun.data._header_names import exclusion, override
from trainrun.errors import listed

if TYPE_CHECKING:
    from trainrun.data._table import Column

# Bytes at a file's beginning that are looked at; and further places, of all files together, with bytes at each.
SAMPLE = 100_000
PLACES, BYTES = 10, 10_000
# A value with leading zeros: two digits are a month or an hour as often as a code.
PADDED = re.compile(r"0\d{2,}", re.ASCII)
DIGITS = re.compile(r"\d+", re.ASCII)
# Encodings whose characters take several bytes each, so that a place may be within one.
WIDE = ("utf-16", "utf-32", "utf_16", "utf_32")
# Whether a text has such values at all.
ANYWHERE = re.compile(rf"(?<![\w.]){PADDED.pattern}(?![\w.])", re.ASCII)
# Different such values of a column; a single one, 000, may mark a missing value.
LEAST = 2
# Columns that a notice names.
NAMED = 10


def of_texts(texts: Sequence[str]) -> str:
    """Return a value with leading zeros of a column whose numbers are all digits alone; "": it has none, or is no such column."""
    numbers = [text for text in map(str.strip, texts) if number(text) is not None]
    padded = sorted(text for text in {*numbers} if PADDED.fullmatch(text))
    if len(padded) < LEAST or not all(map(DIGITS.fullmatch, numbers)):
        return ""
    return padded[-1]


def of_files(files: Sequence[CsvFile]) -> dict[str, str]:
    """Return such columns of the files of a table, each with a value: as far as samples from all over the files show.

    Args:
        files: with the same columns.
    """
    some = files[:: math.ceil(len(files) / PLACES)]
    samples = [(file, sample) for file in some for sample in _samples(file, PLACES // len(some))]
    if not any(ANYWHERE.search(text) for _, (text, _) in samples):
        return {}
    columns: dict[str, list[str]] = {name: [] for name in files[0].header}
    for file, (text, skipped_lines) in samples:
        with contextlib.suppress(csv.Error), fields_of_any_length():  # the sample ends within quotation marks
            for _, row in file.rows(io.StringIO(text, newline=""), skipped_lines):
                if len(row) == len(file.header):
                    for name, value in zip(file.header, row, strict=True):
                        columns[name].append(value)
    examples = {name: of_texts(texts) for name, texts in columns.items()}
    return {name: example for name, example in examples.items() if example}


def _samples(file: CsvFile, places: int) -> Iterator[tuple[str, int]]:
    """Yield the text of whole lines from the beginning of a file and from other places, and how many of the lines hold no rows."""
    try:
        with file.open_bytes() as stream:
            content = stream.read(SAMPLE)
            whole = len(content) < SAMPLE
            text = content.decode(file.encoding, "replace")
            yield text if whole else text[: text.rfind("\n") + 1], file.header_lines
            if whole or file.compression or file.encoding.startswith(WIDE):
                return
            left = file.path.stat().st_size - SAMPLE
            for i in range(1, places + 1):
                stream.seek(SAMPLE + left * i // places - min(left, BYTES))
                lines = stream.read(BYTES).decode(file.encoding, "replace")
                yield lines[lines.find("\n") + 1 : lines.rfind("\n") + 1], 0
    except OSError:  # the reader reports it
        return


def notices(columns: Mapping[str, Column], padded: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence on such columns that are read as numbers, if there are any.

    Args:
        columns: of a table.
        padded: column -> a value with leading zeros.
    """
    names = [n for n in padded if n in columns and columns[n].numbers is not None and not columns[n].notation]
    if names:
        shown = listed([f"{name} ({padded[name]!r})" for name in names], NAMED)
        yield (
            f"digits with leading zeros that are read as numbers: {shown}. They are codes rather than quantities. "
            f"Take them as categories: {override('categorical', names[:NAMED])}, or leave ids out: {exclusion(names[:NAMED])}."
        )
