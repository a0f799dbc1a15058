"""A CSV file read line by line with the standard library: what its columns hold, and each fault by its line.

Slow and exact: the preflight reads small files with it, and it names the bad lines of a file that the fast
reader (`_table.py`) stumbled over. Both go by the rules here for what is missing and what is a number.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainrun import paths
from trainrun.errors import did_you_mean

# Fields that say that there is no value, after stripping and in lower case.
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
# A column of whole numbers with at most so many values is a class, not a quantity.
CLASSES_UP_TO = 20
# So much of a file is read to see what it is; a header is not longer.
LONGEST_LINE = 1_000_000
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# So many faults of one kind are named, the rest counted.
NAMED = 10
POLICIES = ("error", "drop", "mean_or_mode", "median_or_mode")
TASKS = ("auto", "classification", "regression")

Fault = tuple[str, str]  # the argument at fault and the message, as in `Description.problems`


def separator(delimiter: str) -> str:
    """Return the delimiter meant: a shell hands over a tab as backslash and t, or one writes tab."""
    return {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)


def is_missing(text: str) -> bool:
    """Return whether a field holds no value."""
    return text.strip().lower() in MISSING


def number(text: str) -> float | None:
    """Return the finite number that a field holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a number; no other program does.
    return value if math.isfinite(value) and "_" not in text else None


def is_numeric(numbers: int, others: int) -> bool:
    """Return whether a column counts as numbers: more than half of its values are; the others are then faults."""
    return numbers > others


@dataclass(frozen=True)
class Wanted:
    """Which columns of the file are wanted, and how they are to be read; the arguments of `data=csv`."""

    target: str | None
    features: Sequence[str] | None = None
    categorical: Sequence[str] | None = None
    weight: str | None = None
    missing: str = "error"
    task: str = "auto"

    def __post_init__(self) -> None:
        # A column named 2019 comes from the command line as a number.
        for name in ("target", "weight"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else str(value))
        for name in ("features", "categorical"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and not isinstance(value, str):
                object.__setattr__(self, name, [str(v) for v in value])

    def inputs(self, header: Sequence[str]) -> list[str]:
        """Return the feature columns: those named, or all but target and weight."""
        if self.features is not None:
            return list(self.features)
        return [c for c in header if c not in (self.target, self.weight)]

    def used(self, header: Sequence[str]) -> list[str]:
        """Return all columns that are read."""
        return [*self.inputs(header), self.target, *([self.weight] if self.weight else [])]

    def forced(self, column: str) -> bool | None:
        """Return True if the column must hold numbers, False if any text will do, None to tell by its values."""
        if column == self.weight:
            return True
        if column == self.target:
            return {"regression": True, "classification": False}.get(self.task)
        return None if self.categorical is None else column not in self.categorical


@dataclass
class Column:
    """What the values of one column are, counted.

    Args:
        numbers, others, missing: how many values are numbers, other text, or not there.
        first_missing: the line of the first missing one.
        bad: line and text of the first values that are not numbers.
        values: how often each occurs (target only).
    """

    numbers: int = 0
    others: int = 0
    missing: int = 0
    first_missing: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)


@dataclass
class Findings:
    """What a file holds.

    Args:
        header: the names of its columns.
        header_lines: lines up to and with the header.
        rows: examples that the missing-value policy leaves.
        numeric, categorical: the feature columns, told apart.
        classification: whether the target is a class.
        classes: the classes, in the order of their ids, with their counts.
        faults: everything that is wrong.
    """

    header: list[str] = field(default_factory=list)
    header_lines: int = 1
    rows: int = 0
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    classification: bool | None = None
    classes: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def open_text(path: Path) -> Any:
    """Open a file as UTF-8 text, a byte-order mark skipped, as the csv module wants it."""
    return path.open(encoding="utf-8-sig", newline="")


def look(path: str | None, delimiter: str, wanted: Wanted) -> Findings:
    """Return the header and what can be told from it alone; reads the first lines only."""
    found = Findings()
    fault = paths.fault(path, ".csv", "data.path=my_data.csv")
    if fault:
        found.faults.append(("path", fault))
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        found.faults.append(
            ("delimiter", f"expected one character, got {delimiter!r}. For a tab: data.delimiter=tab.")
        )
    for key, value, choices in (("missing", wanted.missing, POLICIES), ("task", wanted.task, TASKS)):
        if value not in choices:
            found.faults.append(
                (
                    key,
                    f"expected one of {', '.join(choices)}, got {value!r}.{did_you_mean(str(value), choices)}",
                )
            )
    for key, value in (("features", wanted.features), ("categorical", wanted.categorical)):
        if value is not None and (isinstance(value, str) or not isinstance(value, Sequence)):
            found.faults.append((key, f"expected null or a list of columns, got {value!r}. Write [{value}]."))
    if found.faults:
        return found
    where = paths.expanded(path)
    with where.open("rb") as file:
        start = file.read(LONGEST_LINE)
    if start.startswith(UTF_16) or b"\0" in start:
        found.faults.append(
            (
                "path",
                f"{where} is no text file. Expected comma-separated text in UTF-8; for arrays take data=npz.",
            )
        )
        return found
    if b"\n" not in start and b"\r" not in start and len(start) == LONGEST_LINE:
        found.faults.append(
            (
                "path",
                f"{where}: its first line has more than {LONGEST_LINE:,} bytes; expected the columns' names. Is it a table?",
            )
        )
        return found
    try:
        with open_text(where) as file:
            reader = csv.reader(file, delimiter=delimiter)
            found.header = [name.strip() for name in next((row for row in reader if row), [])]
            found.header_lines = reader.line_num
            body = next((row for row in reader if row), None)
    except UnicodeDecodeError as error:
        found.faults.append(("path", f"{where} cannot be read as text in UTF-8: {error}. Save it as UTF-8."))
        return found
    except csv.Error as error:
        found.faults.append(
            (
                "path",
                f"{where}, line {reader.line_num}: {error}. Is a quotation mark left open, or is it no table?",
            )
        )
        return found
    if body is None:
        found.faults.append(("path", f"{where} has a header and no rows."))
    found.faults += _header_faults(found.header, delimiter, wanted, where)
    return found


def _header_faults(header: list[str], delimiter: str, wanted: Wanted, where: Path) -> Iterator[Fault]:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        yield (
            "path",
            f"{where}, line 1: columns of the same name: {', '.join(map(repr, twice))}. Rename them.",
        )
    others = [d for d in (",", ";", "\t", "|") if d != delimiter and d in "".join(header)]
    hint = (
        f" Or the fields are parted by {others[0]!r}: data.delimiter={_typed(others[0])}."
        if others and len(header) == 1
        else ""
    )
    if wanted.target is None:
        yield "target", f"expected the column to predict, got null. The file has {_listed(header)}.{hint}"
    named = [
        ("target", [wanted.target] if wanted.target is not None else []),
        ("features", wanted.features or []),
    ]
    named += [("categorical", wanted.categorical or []), ("weight", [wanted.weight] if wanted.weight else [])]
    for key, columns in named:
        for column in columns:
            if column not in header:
                yield (
                    key,
                    f"the file has no column {column!r}.{did_you_mean(str(column), header)} It has {_listed(header)}.{hint}",
                )
    inputs = wanted.inputs(header)
    if wanted.target in inputs:
        yield (
            "features",
            f"the target {wanted.target!r} is among the features, so there is nothing to learn. Leave it out.",
        )
    if not inputs and not hint:
        yield "features", "no columns are left to predict from."
    if wanted.weight and wanted.weight == wanted.target:
        yield "weight", f"{wanted.weight!r} is the target. Name another column, or null."


def _typed(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else f'"{delimiter}"'


def _listed(header: Sequence[str]) -> str:
    return ", ".join(header[:20]) + (f" and {len(header) - 20} more" if len(header) > 20 else "")


def scan(path: str, delimiter: str, wanted: Wanted, found: Findings) -> Findings:
    """Read every line; add to what `look` found, without faults, all that the values tell.

    Args:
        path, delimiter, wanted: as in `look`.
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
        if is_missing(text):
            column.missing += 1
            column.first_missing = column.first_missing or line
            gone = gone or wanted.missing == "drop" or name in (wanted.target, wanted.weight)
            continue
        if number(text) is not None:
            column.numbers += 1
        else:
            column.others += 1
            if len(column.bad) <= NAMED:
                column.bad.append((line, text))
        if name == wanted.target:
            column.values[text] += 1
    return gone


def _capped(faults: list[Fault], what: str) -> list[Fault]:
    more = len(faults) - NAMED
    return faults[:NAMED] + ([("path", f"and {more} more {what}.")] if more > 0 else [])


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
        message = f"column {name}: {column.missing} missing values, the first in line {column.first_missing}. data.missing=drop would {what}."
        found.faults.append(("missing", message))
    if numeric and column.others:
        way_out = (
            " Mend it, or name the column in data.categorical."
            if name in wanted.inputs(found.header) and forced is None
            else ""
        )
        faults = [
            ("path", f"line {line}: column {name}: {text!r} is not a number.{way_out}")
            for line, text in column.bad[:NAMED]
        ]
        more = column.others - NAMED
        found.faults += faults + (
            [("path", f"and {more} more values of column {name} that are not numbers.")] if more > 0 else []
        )
    if name == wanted.target:
        found.classification, found.classes = classes_of(dict(column.values), numeric, wanted.task)
        if found.classification and len(found.classes) < 2:
            found.faults.append(("target", one_class(name, found.classes)))
    elif name != wanted.weight:
        (found.numeric if numeric else found.categorical).append(name)


def one_class(name: str, classes: Sequence[str] | dict[str, int]) -> str:
    """Say that a target has one value only."""
    return f"column {name} has one value only, {', '.join(classes)!r}; there is nothing to tell apart."


def classes_of(values: dict[str, int], numeric: bool, task: str) -> tuple[bool, dict[str, int]]:
    """Return whether the target is a class, and the classes in the order of their ids, with their counts.

    A target of text is a class; one of at most `CLASSES_UP_TO` different whole numbers too; another is a quantity.

    Args:
        values: the target's values as text, with their counts.
        numeric: whether they are numbers.
        task: ``auto``, ``classification`` or ``regression``.
    """
    if task == "regression":
        return False, {}
    named: Counter[str] = Counter()
    for text, count in values.items():
        named[class_name(text)] += count
    numbers = {name: number(name) for name in named}
    all_numbers = all(v is not None for v in numbers.values())
    if task == "auto" and numeric:
        whole = all_numbers and all(float(v).is_integer() for v in numbers.values())
        if not whole or len(named) > CLASSES_UP_TO:
            return False, {}
    order = sorted(named, key=numbers.get) if all_numbers else sorted(named)
    return True, {name: named[name] for name in order}


def class_name(text: str) -> str:
    """Return the name of a class as written in a field: 1, 1.0 and 01 are one class."""
    value = number(text)
    return str(int(value)) if value is not None and value.is_integer() else text
