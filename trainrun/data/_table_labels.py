"""The labels of a table's examples: what the target column means, its classes in their order, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trainrun.data import _columns, _measured, _notations, _numbers_with_unit, _other_separators, _table
from trainrun.data._columns import RARER
from trainrun.data._faults import Fault
from trainrun.data._table import Table
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import TargetSpec
from trainrun.util import look_alikes, typed_names

if TYPE_CHECKING:
    import numpy as np

# Rows that are inspected first when deciding whether a column of numbers holds classes.
PREFIX = 10_000


def separated(
    column: _table.Column, settings: TableSettings, keep: np.ndarray
) -> tuple[np.ndarray, TargetSpec, list[Fault]]:
    """Return labels `[n, labels]` of 0 and 1 from fields of several labels each, and their meaning."""
    import numpy as np

    fields = [
        {label for part in text.split(settings.label_separator) if (label := part.strip())}
        for text in column.texts
    ]
    classes = _columns.class_order(set().union(*fields))
    # The last row is that of an empty field, whose code is -1.
    matrix = np.array([[label in field for label in classes] for field in [*fields, set()]], "float32")
    target = TargetSpec("multilabel", tuple(classes), len(classes))
    if classes:
        return matrix[column.codes[keep]], target, []
    return matrix, target, [("target", f"column {settings.target} has no labels.")]


def of_target(
    table: Table, settings: TableSettings, keep: np.ndarray, is_label: bool = False
) -> tuple[np.ndarray, TargetSpec, Mapping[str, int], list[Fault]]:
    """Return labels, their meaning and counts of one target, and what is wrong with it.

    Args:
        table, settings, keep: the rows and the target.
        is_label: whether it is one of several labels: 0 or 1, no or yes.
    """
    if settings.task == _columns.PATHS:
        return table.columns[settings.target].codes[keep], TargetSpec("none"), {}, []
    labels, target, counts = _labels(table.columns[settings.target], settings, keep)
    if is_label:
        if len(counts) == 2 and tuple(name.lower() for name in target.classes) in (
            *_columns.CONVENTIONAL,
            ("no", "yes"),
        ):
            return labels, target, counts, []
        shown = _columns.shortened(", ".join(map(repr, counts)))
        message = f"column {settings.target}: expected 0 and 1, or no and yes, for data.task=multilabel; got {shown}."
        return labels, target, counts, [("target", message)]
    levels = (settings.ordinal or {}).get(settings.target)
    if levels is not None:
        settings = replace(settings, positive=None)
    labels, target, faults = _with_positive(labels, target, counts, settings)
    if levels is not None and (strange := [name for name in target.classes if name not in levels]):
        message = f"column {settings.target} also has {_columns.shortened(', '.join(map(repr, strange)))}. Add them, or leave those rows out."
        faults.append(("ordinal", message))
    only = [f"{labels[0, 0]:g}"] if target.kind == "real" and (labels == labels[0]).all() else list(counts)
    if len(only) == 1 and not (settings.scored or _measured.is_by_model()):
        words = table.columns[settings.target].missing
        missing = f" Missing: {sum(words.values())}{_columns.missing_words(words)}." if any(words) else ""
        own = _columns.OWN_VALUE if missing and not settings.items else ""
        message = f"column {settings.target} has one value only, {_columns.shortened(only[0])!r}; there is nothing to tell apart.{missing}{own}"
        faults.append(("target", message))
    elif len(counts) > max(_columns.CLASSES_UP_TO, len(keep) / 2):
        faults.append(("target", _no_class(counts, len(keep), settings)))
    if (alike := look_alikes.pair(target.classes)) is not None:
        message = f"column {settings.target} has the classes {alike[0]!r} and {alike[1]!r}: {look_alikes.difference(*alike)}. Make them one."
        faults.append(("target", message))
    return labels, target, counts, faults + _transform_faults(labels, target, settings)


def _transform_faults(labels: np.ndarray, target: TargetSpec, settings: TableSettings) -> list[Fault]:
    """Return why a target has no logarithm."""
    transform = settings.target_transform
    if transform not in _columns.LOGS:
        return []
    if target.kind != "real":
        message = f"{transform} is for numbers; column {settings.target} has classes. Leave it out, or data.task=regression."
        return [("target_transform", message)]
    low, shift = float(labels.min()), _columns.LOGS[transform]
    if low + shift > 0:
        return []
    other = " Try log1p." if transform == "log" and low > -1 else ""
    return [
        (
            "target_transform",
            f"{transform} needs values above {0.0 - shift:g}; the least of column {settings.target} is {low:g}.{other}",
        )
    ]


def _no_class(counts: Mapping[str, int], rows: int, settings: TableSettings) -> str:
    """Return the message for a target that is an id or a number."""
    numbers = all(_columns.number(name) is not None for name in counts)
    regression = ", or data.task=regression if it is a number to predict" if numbers else ""
    texts = list(counts)
    if typed := _other_separators.way_out(texts, settings):
        regression = f"; or, if it is a number to predict, {typed}"
    elif not numbers and (_numbers_with_unit.have_one(texts) or _notations.mostly(texts)[0] is not None):
        regression = (
            ", or write it as plain numbers to predict: without a unit, dates and times in days or hours"
        )
    return (
        f"column {settings.target} has {len(counts)} different values in {rows} rows ({_columns.shortened(next(iter(counts)))!r} …), so "
        f"they name rows, not classes. Name another target{regression}."
    )


def _labels(
    column: _table.Column, settings: TableSettings, keep: np.ndarray
) -> tuple[np.ndarray, TargetSpec, dict[str, int]]:
    """Return class ids `[n]` or numbers `[n, 1]`, their meaning, and the number of examples of each class."""
    import numpy as np

    numbers = None
    if column.numbers is not None:
        numbers = (column.numbers if len(keep) == len(column.numbers) else column.numbers[keep])[:, None]
        if settings.task == "regression" or not _may_be_classes(numbers):
            return numbers, TargetSpec("real"), {}
        column = _table.encoded(column.values, settings)
    present, codes, counts = np.unique(column.codes[keep], return_inverse=True, return_counts=True)
    names = _columns.class_names([column.texts[i] for i in present])
    order = (settings.ordinal or {}).get(settings.target)
    classes = _columns.class_order(set(names)) if order is None else [name for name in order if name in names]
    if order is not None:
        classes += sorted(set(names) - set(classes))  # the faults name them
    if numbers is not None and len(classes) > _columns.CLASSES_UP_TO:
        return numbers, TargetSpec("real"), {}
    ids = {name: i for i, name in enumerate(classes)}
    id_of_text = np.array([ids[name] for name in names])
    examples = dict(zip(classes, np.bincount(id_of_text, counts).astype(int).tolist(), strict=True))
    kind = "binary" if len(classes) == 2 else "multiclass"
    return (
        id_of_text[codes],
        TargetSpec(kind, tuple(classes), 1 if kind == "binary" else len(classes)),
        examples,
    )


def _with_positive(
    labels: np.ndarray, target: TargetSpec, counts: Mapping[str, int], settings: TableSettings
) -> tuple[np.ndarray, TargetSpec, list[Fault]]:
    """Return the labels and their meaning with `data.positive` as class 1, or the fault of its name."""
    if settings.positive is None:
        return labels, target, []
    if settings.positive == RARER and RARER not in target.classes:
        flipped = target.kind == "binary" and _rarer(target.classes, counts) != target.classes[1]
        return (
            (1 - labels, replace(target, classes=target.classes[::-1]), [])
            if flipped
            else (labels, target, [])
        )
    if target.kind != "binary":
        what = f"{len(target.classes)} classes" if target.classes else "numbers, which are no classes"
        message = (
            f"one of two classes is the positive one; column {settings.target} has {what}. Leave it out."
        )
        return labels, target, [("positive", message)]
    spelled = typed_names.spellings(settings.positive)
    positive = next((name for name in target.classes if name in spelled), None)
    if positive is None:
        try:
            positive = typed_names.resolve(settings.positive, target.classes)
        except ValueError as error:
            return labels, target, [("positive", str(error))]
    if positive is None:
        listed = " and ".join(map(repr, target.classes))
        message = f"the target has no class {spelled[0]!r}. Its classes are {listed}."
        return labels, target, [("positive", message)]
    if positive == target.classes[1]:
        return labels, target, []
    return 1 - labels, replace(target, classes=target.classes[::-1]), []


def _rarer(classes: Sequence[str], counts: Mapping[str, int]) -> str:
    """Return the class with fewer examples; the second one of equally many, and where its name says that it is positive."""
    negative, positive = classes
    if tuple(name.lower() for name in classes) in _columns.CONVENTIONAL:
        return positive
    return negative if counts[negative] < counts[positive] else positive


def _may_be_classes(numbers: np.ndarray) -> bool:
    """Return whether numbers are few different whole ones."""
    import numpy as np

    few = (
        len(np.unique(numbers[:PREFIX])) <= _columns.CLASSES_UP_TO
        and len(np.unique(numbers)) <= _columns.CLASSES_UP_TO
    )
    return few and bool((numbers == np.floor(numbers)).all())
