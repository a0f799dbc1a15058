"""What is almost surely wrong with a table although it can be trained on, each with the column and the way out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trainrun.data import _columns, _table_split
from trainrun.data._table import Column
from trainrun.data._table_examples import Examples
from trainrun.data._table_settings import TableSettings

if TYPE_CHECKING:
    import numpy as np

# Categories that are more, and a larger share of the rows, hardly repeat.
FEW, UNIQUE = 20, 0.5
# Numbers of rows: all different and whole, with at most so many holes, in at least so many rows.
HOLES, ENOUGH_ROWS = 0.05, 50
# Each class of at least so many examples is recognized in this share of them by one column: it gives the target away.
ENOUGH_OF_CLASS, GIVEN_AWAY, CORRELATED = 5, 0.99, 0.99995
# Rows of which the columns together could make so many times more are not equal by chance.
POSSIBLE = 100
# A share of equal rows, or of unseen categories, in a held-out part.
EQUAL_ROWS, UNSEEN = 0.05, 0.5
# Values that are looked at to find columns that give the target away, over all columns, and of one.
LOOKED_AT, LOOKED_AT_OF_COLUMN = 4_000_000, 20_000
# Columns that one notice names.
NAMED = 10
PARTS = ("training", "validation", "test")


def notices(examples: Examples, settings: TableSettings, parts: Sequence[np.ndarray]) -> list[str]:
    """Return the notices, as sentences.

    Args:
        examples: the rows, their columns not yet given back.
        settings: the columns.
        parts: indices of the training, validation and test examples.
    """
    columns = {name: examples.table.columns[name] for name in settings.inputs}
    unique = _unique(columns, examples.table.rows)
    return [
        *_same_number(examples),
        *_hardly_repeat(columns, unique, examples.table.rows),
        *_row_numbers(columns, examples, settings),
        *_constant(columns),
        *_give_away(columns, examples, unique),
        *_equal_rows(columns, examples, parts),
        *_one_class(examples, parts),
        *_unseen_classes(examples, parts),
        *_unseen(columns, examples, parts, unique),
    ]


def exclusion(names: Sequence[str]) -> str:
    """Return the override that leaves columns out, as typed in a shell."""
    plain = all(re.fullmatch(r"[A-Za-z_][\w.-]*", name) for name in names)
    listed = ",".join(names if plain else (f'"{name}"' for name in names))
    return f"data.exclude=[{listed}]" if plain else f"'data.exclude=[{listed}]'"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(name or "(without a name)" for name in names[:NAMED]) + more


def _same_number(examples: Examples) -> Iterator[str]:
    same = _columns.same_number(examples.target.classes)
    if same:
        yield (
            f"data.target: {' and '.join(map(repr, same))} are the same number and two classes, as they stand in the file. "
            "If they are one, write them alike."
        )


def _unique(columns: dict[str, Column], rows: int) -> list[str]:
    """Return the columns of categories that hardly repeat: ids, free text."""
    return [
        name
        for name, column in columns.items()
        if column.numbers is None and len(column.texts) > max(FEW, UNIQUE * rows)
    ]


def _hardly_repeat(columns: dict[str, Column], unique: Sequence[str], rows: int) -> Iterator[str]:
    if unique:
        shown = (
            f"{name} {len(columns[name].texts)} in {rows} rows ({_columns.shortened(columns[name].texts[0])!r} …)"
            for name in unique[:NAMED]
        )
        more = f" and {len(unique) - NAMED} more columns" if len(unique) > NAMED else ""
        yield (
            f"different categories: {', '.join(shown)}{more}. Categories that hardly repeat say nothing about new rows. "
            f"Leave them out: {exclusion(unique[:NAMED])}."
        )


def _row_numbers(columns: dict[str, Column], examples: Examples, settings: TableSettings) -> Iterator[str]:
    ids = [name for name, column in columns.items() if _numbers_rows(column, examples.table.rows)]
    if ids:
        yield (
            f"columns that number the rows: {_listed(ids)}. They say nothing about new rows. "
            f"Leave them out: {exclusion(ids[:NAMED])}."
        )
    if examples.target.kind != "real":
        return
    if _numbers_rows(examples.table.columns[settings.target], examples.table.rows):
        yield f"the target {settings.target} numbers the rows, so there is nothing to learn. Is another column meant?"


def _numbers_rows(column: Column, rows: int) -> bool:
    import numpy as np

    numbers = column.numbers
    if numbers is None or column.notation is not None or column.missing or rows < ENOUGH_ROWS:
        return False
    # The usual case is found out by the first rows.
    low, high = numbers.min(), numbers.max()
    if (
        high - low + 1 > (1 + HOLES) * rows
        or high - low + 1 < rows
        or not (numbers == np.floor(numbers)).all()
    ):
        return False
    return int(np.bincount((numbers - low).astype("int64")).max()) == 1


def _constant(columns: dict[str, Column]) -> Iterator[str]:
    constant = [
        name
        for name, column in columns.items()
        if not column.missing
        and (
            len(column.texts) == 1 if column.numbers is None else column.numbers.min() == column.numbers.max()
        )
    ]
    if constant:
        yield f"columns with one value only: {_listed(constant)}. Leave them out: {exclusion(constant[:NAMED])}."


def _give_away(columns: dict[str, Column], examples: Examples, unique: Sequence[str]) -> Iterator[str]:
    import numpy as np

    if examples.target.kind == "multilabel":
        return
    n = len(examples.keep)
    looked_at = min(n, LOOKED_AT_OF_COLUMN, max(ENOUGH_ROWS, LOOKED_AT // len(columns)))
    at = np.linspace(0, n - 1, looked_at).astype("int64")
    labels = examples.labels[at]
    labels = labels[:, 0] if examples.target.kind == "real" else labels
    classes = len(examples.target.classes)
    if classes and (n < ENOUGH_ROWS or np.bincount(labels, minlength=classes).min() < ENOUGH_OF_CLASS):
        return
    rows, names = examples.keep[at], []
    for name, column in columns.items():
        if name in unique:
            continue
        if column.numbers is None:
            gives = classes and _categories_tell(column.codes[rows], labels, classes)
        else:
            known = column.known()[rows]
            numbers, known_labels = column.numbers[rows][known], labels[known]
            whole = known.sum() > 0.9 * len(rows)
            gives = whole and (_threshold_tells if classes else _line_tells)(numbers, known_labels)
        if gives:
            names.append(name)
    if names:
        yield (
            f"the target can be read off one column alone: {_listed(names)}. If it is known only together with the target, leave it out: "
            f"{exclusion(names[:NAMED])}."
        )


def _threshold_tells(numbers: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether thresholds split numbers into the classes: of two classes one threshold, of k exactly k - 1."""
    import numpy as np

    order = np.argsort(numbers, kind="stable")
    numbers, labels = numbers[order], labels[order]
    present, counts = np.unique(labels, return_counts=True)
    boundaries = np.flatnonzero(numbers[1:] != numbers[:-1])
    if len(present) != 2:
        changes = np.flatnonzero(labels[1:] != labels[:-1])
        return len(changes) == len(present) - 1 and bool(np.isin(changes, boundaries).all())
    second = np.cumsum(labels == present[1])
    below = second[boundaries] / counts[1]  # share of the second class up to each threshold
    first = (boundaries + 1 - second[boundaries]) / counts[0]
    recognized = np.maximum(np.minimum(first, 1 - below), np.minimum(1 - first, below))
    return bool(len(boundaries)) and recognized.max() >= GIVEN_AWAY


def _line_tells(numbers: np.ndarray, labels: np.ndarray) -> bool:
    import numpy as np

    if len(labels) < ENOUGH_ROWS or np.ptp(numbers) == 0 or np.ptp(labels) == 0:
        return False
    scaled = [(values - values.mean()) / np.ptp(values) for values in (numbers, labels)]
    deviations = [np.sqrt((values**2).mean()) for values in scaled]
    return min(deviations) > 0 and abs((scaled[0] * scaled[1]).mean()) >= CORRELATED * math.prod(deviations)


def _categories_tell(codes: np.ndarray, labels: np.ndarray, classes: int) -> bool:
    """Return whether the most frequent class of each category is the class of nearly all examples of each class."""
    import numpy as np

    values = int(codes.max()) + 2
    if values > len(codes) / 10:
        return False
    table = np.bincount((codes + 1) * classes + labels, minlength=values * classes).reshape(values, classes)
    right = np.where(table == table.max(axis=1, keepdims=True), table, 0).sum(axis=0)
    return bool((right >= GIVEN_AWAY * table.sum(axis=0)).all())


def _equal_rows(columns: dict[str, Column], examples: Examples, parts: Sequence[np.ndarray]) -> Iterator[str]:
    """Rows of held-out sets that the training set has, too, unless the columns have so few distinct values that this is chance."""
    import numpy as np

    rows, possible = np.zeros(len(examples.keep), "uint64"), 0.0
    for i, column in enumerate(columns.values()):
        values = column.codes if column.numbers is None else column.numbers
        values = np.ascontiguousarray(values[examples.keep]).view("uint64")
        possible += math.log(len(np.unique(values[:LOOKED_AT_OF_COLUMN])) or 1)
        rows = rows * np.uint64(0x9E3779B97F4A7C15) + (values ^ (values >> np.uint64(29))) * np.uint64(
            2 * i + 0xBF58476D1CE4E5B9
        )
        rows ^= rows >> np.uint64(32)
    if possible < math.log(POSSIBLE * max(len(rows), 1)):
        return
    train = np.unique(rows[parts[0]])
    for name, part in zip(PARTS[1:], parts[1:], strict=True):
        equal = int(np.isin(rows[part], train).sum())
        if equal > max(1, EQUAL_ROWS * len(part)):
            yield (
                f"{equal} of the {len(part)} {name} rows have the same features as a training row, so the {name} metrics are too good. "
                "Remove repeated rows, or keep what belongs together in one part: data.group=<column>."
            )


def _one_class(examples: Examples, parts: Sequence[np.ndarray]) -> Iterator[str]:
    import numpy as np

    for name, part in zip(PARTS, parts, strict=True):
        if examples.target.classes and examples.target.kind != "multilabel" and len(part):
            present = np.unique(examples.labels[part])
            if len(present) == 1:
                text = f"all {name} examples are of one class, {_columns.shortened(examples.target.classes[present[0]])!r}."
                yield f"{text} Take a larger share, data.stratify=true, or another data.split."


def _unseen_classes(examples: Examples, parts: Sequence[np.ndarray]) -> Iterator[str]:
    for name, part in zip(PARTS[1:], parts[1:], strict=True):
        if words := _table_split.unseen_classes(examples, parts[0], part, name):
            yield f"{words}. Take data.stratify=true, another data.split, or leave those rows out."


def _unseen(
    columns: dict[str, Column], examples: Examples, parts: Sequence[np.ndarray], unique: Sequence[str]
) -> Iterator[str]:
    import numpy as np

    unseen = []
    for name, column in columns.items():
        if column.numbers is None and name not in unique and len(parts[1]):
            codes = column.codes[examples.keep]
            share = (~np.isin(codes[parts[1]], codes[parts[0]]) & (codes[parts[1]] >= 0)).mean()
            if share > UNSEEN:
                unseen.append((name, share))
    if unseen:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in unseen[:NAMED])
        yield (
            f"validation rows whose category the training part does not have: {shares}. To the model they are all one unknown category. "
            f"Leave the columns out: {exclusion([name for name, _ in unseen[:NAMED]])}."
        )
