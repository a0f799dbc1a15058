"""What is almost surely wrong with a table although it can be trained on, each with the column and the way out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data import (
    _class_notices,
    _columns,
    _equal_rows,
    _large_integers,
    _leading_zeros,
    _missing_by_part,
    _missing_markers,
    _mixed_notations,
    _notations,
    _numbers_with_unit,
    _other_separators,
    _other_units,
    _part_names,
    _row_numbers,
    _table_leaks,
    _table_split,
    _unread_dates,
)
from trainrun.data._faults import Fault
from trainrun.data._header_names import exclusion, override, with_joined_exclusions
from trainrun.data._table import Column, Table
from trainrun.data._table_examples import Examples
from trainrun.data._table_settings import TableSettings
from trainrun.errors import listed
from trainrun.util import look_alikes

if TYPE_CHECKING:
    import numpy as np

# Categories that are more, and a larger share of the rows, hardly repeat.
FEW, UNIQUE = 20, 0.5
# Rows whose values are looked at first.
FIRST_ROWS = 50
# A share of unseen categories in a held-out part.
UNSEEN = 0.5
# Values that are looked at to understand a column that hardly repeats; a mean of so many words in one is text.
LOOKED_AT, WORDS_OF_TEXT = 1000, 3
# Categories of a column that are compared with each other.
COMPARED = 10_000
# Columns that one notice names.
NAMED = 10
PARTS = ("training", "validation", "test")


def notices(
    examples: Examples,
    settings: TableSettings,
    parts: Sequence[np.ndarray],
    sets: Mapping[str, np.ndarray],
) -> list[str]:
    """Return the notices, as sentences.

    Args:
        examples: the rows, their columns not yet given back.
        settings: the columns.
        parts: indices of the training, validation and test examples.
        sets: those of further validation sets by name.
    """
    every = {name: examples.table.columns[name] for name in settings.inputs}
    numbers = _other_separators.columns(examples.table.columns, settings)
    columns = {name: column for name, column in every.items() if not column.is_text and name not in numbers}
    unique, dates = _unique(columns, examples.table.rows), _unread_dates.columns(columns)
    units = _numbers_with_unit.columns({n: c for n, c in columns.items() if settings.forced(n) is None})
    others = {name: column for name, column in columns.items() if name not in {*dates, *units}}
    held_out = {**dict(zip(PARTS[1:], parts[1:], strict=True)), **sets}
    repeating = {name: column for name, column in columns.items() if name not in unique}
    features = _equal_rows.features(every, examples.keep)
    of_targets = (
        notice
        for of_one, one in examples.each(settings)
        for notice in (
            *_class_notices.notices(one),
            *_row_numbers.of_target(one, of_one),
            *_given_away(repeating, one),
            *_repeated(features, one, parts[0], held_out),
            *_one_class(one, parts),
            *_unseen_classes(one, parts),
        )
    )
    row_numbers = _row_numbers.columns(others, examples)
    of_columns = [
        *_other_separators.notices(examples.table.columns, numbers),
        *_dates(dates),
        *_numbers_with_unit.notices(units),
        *_hardly_repeat([name for name in unique if name in others], examples.table, settings),
        *_large_integers.notices(others),
        *_leading_zeros.notices(
            {n: c for n, c in others.items() if n not in row_numbers},
            examples.source.leading_zeros() if examples.source else {},
        ),
        *_row_numbers.notices(row_numbers),
        *_part_names.notices(others),
        *_one_value(every),
        *_one_value_in_training(every, examples.keep, parts[0]),
        *_same_but_for_case(others, unique),
        *_mixed_notations.notices(
            {n: c for n, c in others.items() if n not in unique and settings.forced(n) is None}
        ),
        *_missing_markers.notices(examples.table.columns, settings),
        *dict.fromkeys(of_targets),
        *_missing_by_part.notices(every, examples.keep, {PARTS[0]: parts[0], **held_out}),
        *_unseen({n: c for n, c in others.items() if n not in unique}, examples.keep, held_out, parts[0]),
        *_other_units.notices(examples, settings, parts[0], held_out),
    ]
    return with_joined_exclusions(of_columns, settings.exclude or (), settings.inputs)


def faults(examples: Examples, settings: TableSettings) -> list[Fault]:
    """Return a fault if no column says anything about new rows; arguments as in `notices`."""
    columns = {name: examples.table.columns[name] for name in settings.inputs}
    unique = _unique(columns, examples.table.rows)
    others = {name: column for name, column in columns.items() if name not in unique}
    if not all(map(_has_one_value, others.values())):
        return []
    rounded = _large_integers.rounded(others)
    constant = [name for name in others if name not in rounded]
    why = [f"{listed(unique, NAMED)}: the categories hardly repeat"] if unique else []
    why += [f"{listed(constant, NAMED)}: one value only"] if constant else []
    why += [f"{listed(list(rounded), NAMED)}: one number after rounding to float64"] if rounded else []
    dates = _unread_dates.columns(columns)
    texts = [name for name in unique if name not in dates]
    way_out = f" To learn from texts: {override('text', texts[:1])}." if texts else ""
    way_out += f" To learn from dates, write them as 2013-02-01: {', '.join(dates)}." if dates else ""
    return [("features", f"no column says anything about new rows ({'; '.join(why)}). Name others.{way_out}")]


def _same_but_for_case(columns: Mapping[str, Column], unique: Sequence[str]) -> Iterator[str]:
    alike = {
        name: pair
        for name, column in columns.items()
        if column.numbers is None and name not in unique and len(column.texts) <= COMPARED
        if (pair := look_alikes.but_for_case(column.texts)) is not None
    }
    if alike:
        shown = listed([f"{name} ({one!r} and {other!r})" for name, (one, other) in alike.items()], NAMED)
        yield f"categories that look the same or differ in case only: {shown}. To the model they are different ones. If they are one, write them alike."


def _unique(columns: dict[str, Column], rows: int) -> list[str]:
    """Return the columns of categories that hardly repeat: ids, free text."""
    return [
        name
        for name, column in columns.items()
        if column.numbers is None and not column.is_text and len(column.texts) > max(FEW, UNIQUE * rows)
    ]


def _hardly_repeat(unique: Sequence[str], table: Table, settings: TableSettings) -> Iterator[str]:
    if not unique:
        return
    texts = {name: table.columns[name].texts for name in unique}
    shown = [
        f"{name} {len(of_one)} in {table.rows} rows ({_columns.shortened(of_one[0])!r} …)"
        for name, of_one in texts.items()
    ]
    yield (
        f"different categories: {listed(shown, NAMED)}. Categories that hardly repeat say nothing about new rows. "
        f"Leave them out: {exclusion(unique[:NAMED])}.{''.join(_understood(unique[:NAMED], table, settings))}"
    )


def _dates(dates: Mapping[str, str]) -> Iterator[str]:
    if dates:
        shown = listed([f"{name} ({_columns.shortened(value)})" for name, value in dates.items()], NAMED)
        yield (
            f"dates that are read as categories or as plain numbers: {shown}. Write them as 2013-02-01, and the model gets "
            f"year, month, day and weekday; or leave them out: {exclusion([*dates][:NAMED])}."
        )


def _understood(unique: Sequence[str], table: Table, settings: TableSettings) -> Iterator[str]:
    """Yield what columns that hardly repeat may be instead of categories."""
    free = []
    for name in unique:
        texts = table.columns[name].texts
        sample = texts[:: math.ceil(len(texts) / LOOKED_AT)]
        notation, others = _notations.mostly(sample)
        if notation is not None and others:
            odd = ", ".join(repr(_columns.shortened(text)) for text in others[:3])
            yield f" Most values of {name} are {notation.words}; mend the others: {odd}{' …' if len(others) > 3 else ''}."
            if len(others) == 1:
                typed = map(_missing_markers.typed, others)
                yield f" If {odd} marks a missing value: {_missing_markers.override(typed, table.columns, settings)}."
        elif sum(text.count(" ") + 1 for text in sample) >= WORDS_OF_TEXT * len(sample):
            free.append(name)
    if free:
        yield f" To learn from the text: {override('text', free)}."


def _has_one_value(column: Column) -> bool:
    import numpy as np

    if column.missing:
        return False
    if column.numbers is None:
        return len(column.texts) == 1
    # The usual case shows in the first rows.
    return bool(np.ptp(column.numbers[:FIRST_ROWS]) == 0 and np.ptp(column.numbers) == 0)


def _one_value(columns: dict[str, Column]) -> Iterator[str]:
    constant = [name for name, column in columns.items() if _has_one_value(column)]
    rounded = _large_integers.rounded({name: columns[name] for name in constant})
    if constant := [name for name in constant if name not in rounded]:
        yield f"columns with one value only: {listed(constant, NAMED)}. Leave them out: {exclusion(constant[:NAMED])}."


def _one_value_in_training(
    columns: Mapping[str, Column], keep: np.ndarray, train: np.ndarray
) -> Iterator[str]:
    """Yield a notice if features have one value in the training rows, not by chance, and others in held-out rows."""
    import numpy as np

    constant = []
    for name, column in columns.items():
        values, rows = column.numbers if column.codes is None else column.codes, keep[train]
        if np.ptp(values[rows[:FIRST_ROWS]]) == 0 and np.ptp(values[rows]) == 0:
            share = (values[keep] == values[rows[0]]).mean()
            is_missing = column.codes is not None and values[rows[0]] < 0
            if not is_missing and share ** len(rows) < _missing_by_part.CHANCE:
                constant.append(name)
    if constant:
        yield (
            f"columns with one value only in the training rows, but with others in held-out rows: {listed(constant, NAMED)}. "
            f"The model cannot learn what the others mean. Leave them out: {exclusion(constant[:NAMED])}."
        )


def _given_away(columns: dict[str, Column], examples: Examples) -> Iterator[str]:
    if names := _table_leaks.columns(columns, examples):
        yield (
            f"the target can be read off one column alone: {listed(names, NAMED)}. If it is known only together with the target, leave it out: "
            f"{exclusion(names[:NAMED])}."
        )


def _repeated(
    of_features: _equal_rows.Features,
    examples: Examples,
    train: np.ndarray,
    held_out: Mapping[str, np.ndarray],
) -> Iterator[str]:
    for name, equal in _equal_rows.counts(of_features, [examples.labels], train, held_out):
        yield (
            f"{equal} of the {len(held_out[name])} {name} rows have the same features and target as a training row, so the {name} metrics "
            "are too good. Remove repeated rows, or keep what belongs together in one part: data.group=<column>."
        )


def _one_class(examples: Examples, parts: Sequence[np.ndarray]) -> Iterator[str]:
    import numpy as np

    for name, part in zip(PARTS, parts, strict=True):
        if examples.target.classes and examples.target.kind != "multilabel" and len(part):
            present = np.unique(examples.labels[part])
            if len(present) == 1:
                text = f"all {name} examples are of one class, {_columns.shortened(examples.target.classes[present[0]])!r}."
                of_file = "Have others in its file, too, or its metrics are of that class alone."
                way_out = "Take a larger share, data.stratify=true, or another data.split."
                yield f"{text} {of_file if examples.file_parts[part[0]] else way_out}"


def _unseen_classes(examples: Examples, parts: Sequence[np.ndarray]) -> Iterator[str]:
    for name, part in zip(PARTS[1:], parts[1:], strict=True):
        if words := _table_split.unseen_classes(examples, parts[0], part, name):
            yield f"{words}. Take data.stratify=true, another data.split, or leave those rows out."


def _unseen(
    columns: dict[str, Column], keep: np.ndarray, held_out: Mapping[str, np.ndarray], train: np.ndarray
) -> Iterator[str]:
    import numpy as np

    unseen: dict[str, dict[str, float]] = {}
    for name, column in columns.items():
        if column.numbers is None:
            codes = column.codes[keep]
            known = np.zeros(len(column.texts) + 1, bool)
            known[codes[train]] = known[-1] = True  # -1 is the code of what is missing
            for part, rows in held_out.items():
                if len(rows) and (share := 1 - known[codes[rows]].mean()) > UNSEEN:
                    unseen.setdefault(part, {})[name] = share
                    break
    for part, of_part in unseen.items():
        shares = ", ".join(f"{name} {share:.0%}" for name, share in [*of_part.items()][:NAMED])
        yield (
            f"{part} rows whose category the training part does not have: {shares}. To the model they are all one unknown category. "
            f"Leave the columns out: {exclusion([*of_part][:NAMED])}."
        )
