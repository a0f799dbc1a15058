"""Faults of a table's values, with column, location and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trainrun.data import _clock_times, _missing_markers, _other_separators
from trainrun.data._columns import LARGEST, OWN_VALUE, missing_words, shortened
from trainrun.data._date_texts import DATE_ORDERS
from trainrun.data._faults import Fault, Place
from trainrun.data._header_names import exclusion, override, with_joined_exclusions
from trainrun.data._table import Column, Table
from trainrun.data._table_settings import TableSettings
from trainrun.errors import listed

# Faults of one kind that are listed; the others are counted.
NAMED = 10
# Invalid values that the message on a column with many shows.
EXAMPLES = 3
# Different texts that may all stand for missing values.
MARKERS = 3
# Invalid values that are compared.
LOOKED_AT = 100
# Rows -> the place of each.
Locate = Callable[[Sequence[int]], Mapping[int, Place]]


def capped(faults: Sequence[Fault], count: int, what: str) -> list[Fault]:
    """Return the first faults, and one that counts the others.

    Args:
        faults: at least the first `NAMED`.
        count: number of all faults.
        what: completes the sentence "and 7 more …".
    """
    more = [("path", f"and {count - NAMED} more {what}.")] if count > NAMED else []
    return [*faults[:NAMED], *more]


def value_faults(table: Table, settings: TableSettings, locate: Locate) -> list[Fault]:
    """Return the faults of each column.

    Args:
        table: the columns.
        settings: of the columns.
        locate: returns the places of rows.
    """
    rows = [row for column in table.columns.values() for row in _rows_to_name(column, settings)]
    places = locate(sorted(set(rows))) if rows else {}
    faults = [
        fault
        for name, column in table.columns.items()
        for fault in _column_faults(name, column, settings, places)
    ]
    if markers := _markers(table, settings):
        key, message = faults[-1]
        faults[-1] = key, f"{message} {_mark(markers, table, settings)}"
    messages = [message for _, message in faults]
    joined = with_joined_exclusions(messages, settings.exclude or (), settings.inputs)
    return [(key, message) for (key, _), message in zip(faults, joined, strict=True)]


def _rows_to_name(column: Column, settings: TableSettings) -> list[int]:
    first = [column.first_missing] if column.missing and settings.missing == "error" else []
    return [*first, *(int(row) for row in column.invalid[:NAMED])]


def _column_faults(
    name: str, column: Column, settings: TableSettings, places: Mapping[int, Place]
) -> list[Fault]:
    if name in (settings.dates or ()) and not (column.is_date or len(column.invalid)):
        example = f" ({shortened(column.texts[0])!r})" if column.texts else ""
        expected = "expected dates such as 2024-03-31, 31.03.2024, 03/31/2024 or 2024-03"
        return [("dates", f"column {name} has {column.kind}{example}; {expected}.")]
    is_scored = settings.scored and name in settings.inputs
    if not column.known().any() and not len(column.invalid) and not is_scored:
        return [("path", f"column {name}: no row has a value. {_leave_out(name, settings)}")]
    faults: list[Fault] = []
    # An empty field of several labels has none of them.
    is_labels = settings.label_separator is not None and name in settings.targets
    if column.missing and settings.missing == "error" and not is_labels:
        what = "drop those rows" + _otherwise(name, settings)
        own = OWN_VALUE if any(column.missing) and column.numbers is None and not settings.items else ""
        faults.append(
            (
                "missing",
                f"column {name}: {sum(column.missing.values())} missing values, the first in "
                f"{places[column.first_missing]}{missing_words(column.missing)}. data.missing=drop would {what}.{own}",
            )
        )
    return [*faults, *_invalid_faults(name, column, settings, places)] if len(column.invalid) else faults


def _otherwise(name: str, settings: TableSettings) -> str:
    """Return what else than dropping rows with missing values can be done."""
    if name in (*settings.targets, settings.weight) or settings.items == "image":
        return ""
    if settings.items == "text":
        return f"; data=csv 'data.text=[{name}]' takes them as empty texts"
    return ", or data.missing=auto to impute them"


def _invalid_faults(
    name: str, column: Column, settings: TableSettings, places: Mapping[int, Place]
) -> list[Fault]:
    """Return a fault for all invalid values of a column; one for each if they are a few that are invalid for different reasons."""
    count = len(column.invalid)
    shown, way_out = [], _separators(name, column, settings) or _way_out(name, settings)
    for row in column.invalid[:NAMED]:
        text = str(column.values[int(row)].as_py()).strip()
        shown.append((places[int(row)], repr(shortened(text)), _why_invalid(name, text, settings)))
    if count == 1 or (count <= NAMED and len({why for _, _, why in shown}) > 1):
        return [
            (place.argument, f"{place}: column {name}: {text} is {why}.{way_out}")
            for place, text, why in shown
        ]
    limit = NAMED if count <= NAMED else EXAMPLES
    examples = listed([f"{place} {text}" for place, text, _ in shown], limit, count)
    known = column.known()
    known[column.invalid] = True  # of a column of floats they are numbers all the same
    of_all = f"{shown[0][2]} in {count:,} of {int(known.sum()):,} rows"
    return [(shown[0][0].argument, f"column {name}: {of_all}: {examples}.{way_out}")]


def _why_invalid(name: str, text: str, settings: TableSettings) -> str:
    notation = settings.notations.get(name)
    if settings.is_ordinal(name):
        return f"none of {', '.join(notation.levels)}"
    if notation is not None and notation.kind == "date":
        return f"no date as {DATE_ORDERS[notation.form]}"
    if notation is not None and notation.kind == "truth":
        return f"none of {notation.form.replace('/', ', ')}"
    if notation is not None and notation.form in _clock_times.FORMS:
        return f"no time as {notation.form}"
    if settings.read_number(text) is not None:
        return f"beyond what float32 holds ({LARGEST:g})"
    return "not a number" + (f" written as {settings.number_form}" if settings.number_form else "")


def _markers(table: Table, settings: TableSettings) -> list[str]:
    """Return the invalid values of all columns each of which has but a few different ones, repeated: they may mark missing values."""
    markers: set[str] = set()
    for name, column in table.columns.items():
        texts = {str(column.values[int(row)].as_py()).strip() for row in column.invalid[:LOOKED_AT]}
        few = len(texts) <= MARKERS and 1 < len(column.invalid) <= int(column.known().sum())
        is_stored = name in settings.numeric  # with a model, as what counts as missing
        if few and not is_stored and all(settings.read_number(text) is None for text in texts):
            markers |= texts
    return sorted(markers)


def _mark(texts: Sequence[str], table: Table, settings: TableSettings) -> str:
    """Return how to have texts count as missing."""
    marks = "marks a missing value" if len(texts) == 1 else "mark missing values"
    way_out = _missing_markers.override(map(_missing_markers.typed, texts), table.columns, settings)
    return f"If {listed([repr(shortened(text)) for text in texts], NAMED)} {marks}: {way_out}."


def _separators(name: str, column: Column, settings: TableSettings) -> str:
    """Return the way out for invalid values that are numbers by other separators; "": they are not."""
    texts = [str(column.values[int(row)].as_py()) for row in column.invalid[:LOOKED_AT]]
    typed = _other_separators.way_out(texts, settings)
    if not typed:
        return ""
    if name in settings.numeric:  # as stored with a model
        return " That is the notation of the training file. Write this file alike, or take a DataFrame in Python."
    return f" Take {typed}, or mend them."


def _leave_out(name: str, settings: TableSettings) -> str:
    return f"Leave it out: {exclusion([name])}." if name in settings.inputs else "Name another column."


def _way_out(name: str, settings: TableSettings) -> str:
    if name in settings.numeric:  # a trained model reads it so
        return ""
    if settings.is_ordinal(name):
        return " Mend it, or add it to data.ordinal."
    if settings.forced(name) is not None:
        return ""
    if name in settings.targets:
        return " Mend it, or data.task=classification if the column names classes."
    categories = f"take the column as categories: {override('categorical', [name])}"
    return f" Mend it, or {categories}; or leave it out: {exclusion([name])}."
