"""The beginning of a CSV file: whether it is one, its columns' names, and whether the wanted ones are among them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainrun.data._columns import POLICIES, TASKS, Wanted
from trainrun.errors import did_you_mean
from trainrun.util import paths

# So much of a file is read to see what it is; a header is not longer.
LONGEST_LINE = 1_000_000
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
Fault = tuple[str, str]  # the argument at fault and the message, as in `Description.problems`


def separator(delimiter: str) -> str:
    """Return the delimiter meant: a shell hands over a tab as backslash and t, or one writes tab."""
    return {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)


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
