"""Columns of digits with leading zeros, such as zip codes, which are read as numbers and are none."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data._columns import number
from trainrun.data._csv_file import CsvFile, fields_of_any_length
from trainrun.data._header_names import exclusion, override
from trainrun.errors import listed

if TYPE_CHECKING:
    from trainrun.data._table import Column

# Bytes of a file that are looked at.
SAMPLE = 100_000
# A value with leading zeros: two digits are a month or an hour as often as a code.
PADDED = re.compile(r"0\d{2,}", re.ASCII)
DIGITS = re.compile(r"\d+", re.ASCII)
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


def of_file(file: CsvFile) -> dict[str, str]:
    """Return such columns in the first rows of a file, each with a value."""
    try:
        with file.open_bytes() as stream:
            content = stream.read(SAMPLE)
    except OSError:  # the reader reports it
        return {}
    text = content.decode(file.encoding, "replace")
    if not ANYWHERE.search(text):
        return {}
    try:
        with fields_of_any_length():
            rows = [row for _, row in file.rows(io.StringIO(text, newline=""), file.header_lines)]
    except csv.Error:  # the sample ends within quotation marks
        return {}
    whole = rows if len(content) < SAMPLE else rows[:-1]
    columns = itertools.zip_longest(*whole, fillvalue="")
    examples = {name: of_texts(texts) for name, texts in zip(file.header, columns, strict=False)}
    return {name: example for name, example in examples.items() if example}


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
