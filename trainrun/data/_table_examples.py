"""Select the rows of a table that become examples, and their labels; or collect their faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from trainrun.data import _columns, _table, _table_problems
from trainrun.data._columns import RARER
from trainrun.data._faults import Fault
from trainrun.data._table import Table
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import TargetSpec
from trainrun.util import typed_names

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class TableSource(Protocol):
    """One or several files of one table.

    Args:
        name: of the dataset.
        header: the names of the columns.
        typed: see `_table.convert`.
        is_small: whether the preflight check reads it completely.
        own_files: the parts that have files of their own: ``validation``, ``test``.
    """

    name: str
    header: Sequence[str]
    typed: bool
    is_small: bool
    own_files: Sequence[str]

    def read(self, columns: Sequence[str], text: Collection[str]) -> tuple[pa.Table | None, list[Fault]]:
        """Return the columns, in that order, and the faults of rows; no table if the file is unreadable.

        Args:
            columns: names of the columns.
            text: columns whose unchanged text is needed, even if all values are numbers.
        """

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the columns, some rows at a time, untyped columns as text."""

    def locate(self, rows: Sequence[int]) -> Mapping[int, str]:
        """Return the location, for messages, of rows in the table that `read` returned."""

    def file_parts(self) -> np.ndarray:
        """Return the part whose file each of the rows that `read` returned is from: 0 training, 1 validation, 2 test."""

    def understood(self) -> str:
        """Return what was inferred about the file as a sentence, or ""."""


@dataclass(frozen=True)
class Examples:
    """The rows that are examples, and their labels.

    Args:
        table: all rows.
        keep: indices of the examples.
        labels: class ids `[n]`, or numbers `[n, 1]`; of several targets, a dict by name.
        target: what they mean.
        counts: of a class target: name -> examples; of several targets, a dict of these by name.
        file_parts: the part whose file each example is from (0 training, 1 validation, 2 test), int64 `[n]`.
    """

    table: Table
    keep: np.ndarray
    labels: Any
    target: TargetSpec
    counts: Mapping[str, Any]
    file_parts: np.ndarray

    def missing(self) -> dict[str, int]:
        """Return how many values each column misses, of all rows; columns that miss none are left out."""
        return {name: sum(c.missing.values()) for name, c in self.table.columns.items() if c.missing}

    def labels_at(self, rows: np.ndarray | slice) -> np.ndarray | dict[str, np.ndarray]:
        """Return the labels of some examples, as a dataset has them."""
        if self.target.named:
            return {name: self.labels[name][rows].astype(of.dtype) for name, of in self.target.named.items()}
        return self.labels[rows].astype(self.target.dtype)

    def each(self, settings: TableSettings) -> list[tuple[TableSettings, Examples]]:
        """Return settings and examples of each target."""
        if not self.target.named:
            return [(settings, self)]
        return [
            (
                settings.of_target(name),
                replace(self, labels=self.labels[name], target=spec, counts=self.counts[name]),
            )
            for name, spec in self.target.named.items()
        ]


def examples(source: TableSource, settings: TableSettings) -> tuple[Examples | None, list[Fault]]:
    """Return the examples, or all that is wrong with the rows.

    Args:
        source: the table.
        settings: how its columns are to be read, with their names as it has them.
    """
    import numpy as np

    raw, faults = source.read(settings.used, settings.text_columns)
    if raw is None or (faults and not raw.num_rows):
        return None, faults
    table = _table.convert(raw, settings, source.typed)
    del raw
    faults += _table_problems.value_faults(table, settings, source.locate)
    if faults:
        return None, faults
    keep = _kept(table, settings)
    if not len(keep):
        message = (
            "every row misses something, so none is left. Try data.missing=auto, or fewer data.features."
        )
        return None, [("missing", message)]
    is_multilabel = settings.task == _columns.MULTILABEL
    read = {
        name: _of_target(table, settings.of_target(name), keep, is_multilabel) for name in settings.targets
    }
    faults = [fault for *_, wrong in read.values() for fault in wrong]
    if is_multilabel:
        labels = np.stack([of[0] for of in read.values()], axis=1).astype("float32")
        target, counts = TargetSpec("multilabel", tuple(read), len(read)), {}
    elif settings.is_named:
        labels, specs, counts = ({name: of[i] for name, of in read.items()} for i in range(3))
        target = TargetSpec("named", outputs=len(specs), named=specs)
    else:
        labels, target, counts, _ = read[settings.target]
    if settings.weight is not None:
        weights = table.columns[settings.weight].numbers[keep]
        if weights.min() < 0 or weights.max() == 0:
            message = f"column {settings.weight}: expected weights of at least 0, not all 0; the least is {weights.min():g}."
            faults.append(("weight", message))
    if settings.time is not None and table.columns[settings.time].numbers is None:
        first = _columns.shortened(table.columns[settings.time].texts[0])
        faults.append(("time", f"column {settings.time}: expected dates or numbers, got {first!r}."))
    return Examples(table, keep, labels, target, counts, source.file_parts()[keep]), faults


def _of_target(
    table: Table, settings: TableSettings, keep: np.ndarray, is_label: bool = False
) -> tuple[np.ndarray, TargetSpec, Mapping[str, int], list[Fault]]:
    """Return labels, their meaning and counts of one target, and what is wrong with it.

    Args:
        table, settings, keep: the rows and the target.
        is_label: whether it is one of several labels: 0 or 1, no or yes.
    """
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
    labels, target, faults = _with_positive(labels, target, counts, settings)
    if target.kind != "real" and len(counts) < 2:
        faults.append(
            (
                "target",
                f"column {settings.target} has one value only, {_columns.shortened(', '.join(counts))!r}; there is nothing to tell apart.",
            )
        )
    elif len(counts) > max(_columns.CLASSES_UP_TO, len(keep) / 2):
        faults.append(("target", _no_class(counts, len(keep), settings)))
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
    return (
        f"column {settings.target} has {len(counts)} different values in {rows} rows ({_columns.shortened(next(iter(counts)))!r} …), so "
        f"they name rows, not classes. Name another target{regression}."
    )


def _kept(table: Table, settings: TableSettings) -> np.ndarray:
    """Return the indices of the rows that the missing-value policy keeps."""
    import numpy as np

    demanded = settings.used if settings.missing == "drop" else [*settings.targets, *settings.beside]
    keep = np.ones(table.rows, bool)
    for name in demanded:
        if name is None:
            continue
        keep &= table.columns[name].known()
    return np.flatnonzero(keep)


def _labels(
    column: _table.Column, settings: TableSettings, keep: np.ndarray
) -> tuple[np.ndarray, TargetSpec, dict[str, int]]:
    """Return class ids `[n]` or numbers `[n, 1]`, their meaning, and the number of examples of each class."""
    import numpy as np

    numbers = None
    if column.numbers is not None:
        numbers = column.numbers[keep][:, None]
        if settings.task == "regression" or not _table.may_be_classes(numbers):
            return numbers, TargetSpec("real"), {}
        column = _table.encoded(column.values, settings)
    present, codes, counts = np.unique(column.codes[keep], return_inverse=True, return_counts=True)
    names = _columns.class_names([column.texts[i] for i in present])
    classes = _columns.class_order(set(names))
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
