"""A CSV file read line by line with the standard library: what its columns hold, and each fault by its line.

Slow and exact: the preflight reads small files with it, and it names the bad lines of a file that the fast
reader (`_table.py`) stumbled over. Both go by the rules of `_columns.py`.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field

from trainrun.data._columns import (
    LARGEST,
    OWN_VALUE,
    Wanted,
    classes_of,
    is_numeric,
    number,
    one_class,
    written_out,
)
from trainrun.data._header import Fault, Findings, open_text
from trainrun.util import paths

# So many faults of one kind are named, the rest counted.
NAMED = 10


@dataclass
class Column:
    """What the values of one column are, counted.

    Args:
        numbers, others, missing: how many values are numbers, other text, or not there.
        first_missing: the line of the first missing one.
        too_large: how many of the numbers are beyond float32.
        words: how often which text stands for a missing one.
        bad: line and text of the first values that are not numbers, or too large.
        values: how often each occurs (target only).
    """

    numbers: int = 0
    others: int = 0
    missing: int = 0
    too_large: int = 0
    first_missing: int = 0
    words: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[int, str]] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)


def scan(path: str, delimiter: str, wanted: Wanted, found: Findings) -> Findings:
    """Read every line; add to what `_header.look` found, without faults, all that the values tell.

    Args:
        path, delimiter, wanted: as in `_header.look`.
        found: its result, extended in place and returned.
    """
    used = wanted.used(found.header)
    place = {name: found.header.index(name) for name in used}
    columns = {name: Column() for name in used}
    ragged: list[Fault] = []
    dropped = 0
    try:
        with open_text(paths.expanded(path)) as file:
            reader = csv.reader(file, delimiter=delimiter)
            next(row for row in reader if row)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(found.header):
                    ragged.append(
                        ("path", f"line {reader.line_num}: {len(row)} fields, expected {len(found.header)}.")
                    )
                    continue
                gone = _count(row, place, columns, reader.line_num, wanted)
                dropped += gone
                found.rows += not gone
    except (UnicodeDecodeError, csv.Error) as error:
        found.faults.append(("path", f"after line {reader.line_num}: {error}."))
    found.faults += _capped(ragged, "rows with a wrong number of fields")
    for name, column in columns.items():
        _judge(name, column, wanted, found)
    if dropped and not found.rows:
        found.faults.append(
            (
                "missing",
                "every row misses something, so none would be left. Try data.missing=mean_or_mode, or fewer data.features.",
            )
        )
    return found


def _count(
    row: list[str], place: dict[str, int], columns: dict[str, Column], line: int, wanted: Wanted
) -> bool:
    """Count one row's fields; return whether the policy drops the row."""
    gone = False
    for name, i in place.items():
        text, column = row[i].strip(), columns[name]
        if text.lower() in wanted.missing_words:
            column.missing += 1
            column.words[text] += 1
            column.first_missing = column.first_missing or line
            gone = gone or wanted.missing == "drop" or name in (wanted.target, wanted.weight)
            continue
        value = number(text)
        large = value is not None and abs(value) > LARGEST
        column.numbers += value is not None
        column.others += value is None
        column.too_large += large
        if (value is None or large) and len(column.bad) <= NAMED:
            column.bad.append((line, text))
        if name == wanted.target:
            column.values[text] += 1
    return gone


def _capped(faults: list[Fault], what: str) -> list[Fault]:
    more = len(faults) - NAMED
    return faults[:NAMED] + ([("path", f"and {more} more {what}.")] if more > 0 else [])


def _fault(text: str) -> str:
    return "not a number" if number(text) is None else f"beyond what float32 holds ({LARGEST:g})"


def _judge(name: str, column: Column, wanted: Wanted, found: Findings) -> None:
    """Tell what a column holds, and what is wrong with it."""
    forced = wanted.forced(name)
    numeric = is_numeric(column.numbers, column.others) if forced is None else forced
    if not column.numbers + column.others and found.rows + column.missing:
        found.faults.append(("path", f"column {name}: no row has a value. Leave it out of data.features."))
        return
    if column.missing and wanted.missing == "error":
        what = (
            "drop those rows"
            if name in (wanted.target, wanted.weight)
            else "drop those rows, or data.missing=mean_or_mode to fill them"
        )
        message = (
            f"column {name}: {column.missing} missing values, the first in line {column.first_missing}"
            f"{written_out(column.words)}. data.missing=drop would {what}."
            f"{OWN_VALUE if any(column.words) and not numeric else ''}"
        )
        found.faults.append(("missing", message))
    if numeric and column.others + column.too_large:
        way_out = (
            " Mend it, or name the column in data.categorical."
            if name in wanted.inputs(found.header) and forced is None
            else ""
        )
        faults = [
            ("path", f"line {line}: column {name}: {text!r} is {_fault(text)}.{way_out}")
            for line, text in column.bad[:NAMED]
        ]
        more = column.others + column.too_large - NAMED
        found.faults += faults + (
            [("path", f"and {more} more such values of column {name}.")] if more > 0 else []
        )
    if name == wanted.target:
        found.classification, found.classes = classes_of(dict(column.values), numeric, wanted.task)
        if found.classification and len(found.classes) < 2:
            found.faults.append(("target", one_class(name, found.classes)))
    elif name in wanted.inputs(found.header):
        (found.numeric if numeric else found.categorical).append(name)
