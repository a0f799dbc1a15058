"""The parts of a table: at random, by groups, by time, by a column or files that name them; validation also as one of k folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from trainrun.data import _measured
from trainrun.data._columns import shortened
from trainrun.data._faults import Fault
from trainrun.data._order import SPLIT, bits, shuffled
from trainrun.data._part_names import PART_NAMES
from trainrun.data._split import class_problem, every, share_problems, sizes, split
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_files import PATHS, set_key
from trainrun.data._table_settings import TableSettings
from trainrun.data._unseen_classes import unseen

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table_examples import Examples

HELD_OUT = ("validation", "test")
# Streams of random words (`_order.bits`); 0 and 1 are those of `_split.split`.
GROUP_ORDER, GROUP_OFFSETS, FOLD_ORDER = 2, 3, 4

Parts = tuple["np.ndarray", ...]


class _Rows(NamedTuple):
    """Training rows from which parts are drawn.

    Args:
        index: of the examples.
        labels: class ids to stratify by, or None.
        groups: the group of each row, or None.
        times: the time of each row, or None.
    """

    index: np.ndarray
    labels: np.ndarray | None
    groups: np.ndarray | None
    times: np.ndarray | None

    def at(self, rows: np.ndarray) -> _Rows:
        return _Rows(*(None if array is None else array[rows] for array in self))


def parts(examples: Examples, settings: TableSettings, splitting: SplitSettings) -> tuple[Parts, list[Fault]]:
    """Return the ascending indices of training, validation and test examples and of each further validation set, or what keeps them from being divided.

    A part that files or a column name is that; one that they do not name, and that has a share, is drawn from the training rows.

    Args:
        examples: the rows.
        settings: the columns.
        splitting: how they are divided.
    """
    import numpy as np

    nothing, each = np.arange(0), examples.each(settings)
    # Stratified by the first target of classes.
    settings, examples = next((pair for pair in each if pair[1].target.classes), each[0])
    declared, faults = _declared_parts(examples, settings, splitting)
    if faults:
        return (nothing, nothing, nothing), faults
    training, *fixed = (np.arange(len(declared)), nothing, nothing)
    if declared.any():
        training, *fixed = (np.flatnonzero(declared == part) for part in range(3))
    method, columns, keep = splitting.method(settings), examples.table.columns, examples.keep
    if splitting.folds and len(fixed[0]):
        whose = f"named by column {settings.part}" if method == "column" else "a file or split of their own"
        text = f"the validation rows are {whose}, so they would be the same in each fold. Leave one of the two out; to measure further rows beside the folds: data.validation_sets={{name: file}}."
        return (nothing, nothing, nothing), [("folds", text)]
    times = None
    if method == "time":
        times = keep if settings.time is None else columns[settings.time].numbers[keep]
    rows = _Rows(
        np.arange(len(keep)),
        examples.labels if splitting.stratify and _classes(examples) else None,
        columns[settings.group].codes[keep] if method == "group" else None,
        times,
    )
    if is_part := len(training) < len(keep):
        rows = rows.at(training)
    # A column that names the training rows only, or a test part, has said that there is no other test part.
    shares = (
        0.0 if len(fixed[0]) or splitting.folds else splitting.validation,
        0.0 if len(fixed[1]) or method == "column" else splitting.test,
    )
    drawn, faults = _drawn(rows, shares, splitting.seed, _classes(examples))
    if not faults and splitting.folds:
        drawn, faults = _fold(drawn, rows, splitting)
    if faults:
        return (nothing, nothing, nothing), faults
    train, *others = (rows.index[part] for part in drawn) if is_part else drawn
    for part in (train, *others):
        part.sort(kind="stable")  # Most ways of drawing leave the parts in order, which it sees at once.
    validation, test = (own if len(own) else other for own, other in zip(fixed, others, strict=True))
    faults = [fault for _, one in each for fault in _lost_classes(one, train)]
    sets = {
        name: np.flatnonzero(examples.file_parts == part)
        for part, name in enumerate(splitting.validation_sets or (), len(PATHS))
    }
    keys = [*(("part", "part") if method == "column" else PATHS[1:]), *map(set_key, sets)]
    own_rows = [*zip(keys, (*HELD_OUT, *sets), (*fixed, *sets.values()), strict=True)]
    files = examples.source.own_files if examples.source else ()
    faults += [
        (key, f"no {name} row is left: each lacks a target, weight, group or time.")
        for key, name, own in own_rows
        if not len(own) and (name in sets or name in files)
    ]
    faults += [
        (key, f"{words}. Leave those rows out, or train on some.")
        for _, one in each
        for key, name, own in own_rows
        if (words := unseen_classes(one, train, own, name))
    ]
    return (train, validation, test, *sets.values()), faults


def _declared_parts(
    examples: Examples, settings: TableSettings, splitting: SplitSettings
) -> tuple[np.ndarray, list[Fault]]:
    """Return the part that file or column name for each example, int16 `[n]`, and what is wrong with the column."""
    import numpy as np

    declared = examples.file_parts
    if splitting.method(settings) != "column":
        return declared, []
    column = examples.table.columns[settings.part]
    if unknown := [text for text in column.texts if text.lower() not in PART_NAMES]:
        shown = ", ".join(repr(shortened(text)) for text in unknown[:5]) + (" …" if len(unknown) > 5 else "")
        message = f"column {settings.part} has the values {shown}; expected train, validation and test."
        return declared, [("part", message)]
    ids = np.array([PART_NAMES[text.lower()] for text in column.texts], "int16")
    named = ids[column.codes[examples.keep]]
    if not (named == 0).any():
        return declared, [("part", f"column {settings.part} has no row with the value train.")]
    return np.maximum(declared, named), []


def _classes(examples: Examples) -> tuple[str, ...]:
    """Return the names of the classes of which each example has one."""
    return () if examples.target.kind == "multilabel" else examples.target.classes


def _lost_classes(examples: Examples, train: np.ndarray) -> list[Fault]:
    """Return a fault if there is nothing to tell apart among the training examples."""
    import numpy as np

    classes = _classes(examples)
    if classes and not _measured.is_by_model() and len(np.unique(examples.labels[train])) < 2:
        name = shortened(classes[examples.labels[train[0]]])
        text = f"all training rows are of the class {name!r}. Take other shares, or another data.split."
        return [("split", text)]
    return []


def unseen_classes(examples: Examples, train: np.ndarray, part: np.ndarray, name: str) -> str:
    """Return in words which classes a held-out part has and the training part lacks; "": none.

    Args:
        examples: of one target.
        train, part: indices of examples.
        name: of the part.
    """
    return unseen(examples.labels, _classes(examples), train, part, f"{name} rows")


def _drawn(
    rows: _Rows, shares: tuple[float, float], seed: int, classes: Sequence[str]
) -> tuple[tuple[np.ndarray, ...], list[Fault]]:
    """Return the training, validation and test rows, or what keeps them from being drawn."""
    import numpy as np

    if faults := list(share_problems(len(rows.index), *shares)):
        return (), faults
    if rows.groups is not None:
        return _by_group(rows, shares, seed)
    if rows.times is not None:
        return _by_time(rows.times, sizes(len(rows.index), *shares)[1:])
    if rows.labels is not None:
        counts = np.bincount(rows.labels, minlength=len(classes)).tolist()
        named = {name: count for name, count in zip(classes, counts, strict=True) if count}
        if small := class_problem(named, 1 + sum(share > 0 for share in shares)):
            return (), [("target", small)]
    validation, test = shares
    drawn = split(
        len(rows.index), validation=validation, test=test, seed=seed, labels=rows.labels, classes=classes
    )
    return drawn, []


def _in_order(rows: _Rows, random: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each row by number, and the groups in random order; by their most frequent class if there are labels.

    Rows without groups are groups of one.
    """
    import numpy as np

    ids = np.arange(len(rows.index))
    if rows.groups is not None:
        ids = np.unique(rows.groups, return_inverse=True)[1]
    count = int(ids.max()) + 1
    order = shuffled(random[:count])
    if rows.labels is not None:
        labels = rows.labels
        if rows.groups is not None:
            classes = int(labels.max()) + 1
            labels = np.bincount(ids * classes + labels, minlength=count * classes)
            labels = labels.reshape(-1, classes).argmax(axis=1)
        order = order[np.argsort(labels[order], kind="stable")]
    return ids, order


def _by_group(
    rows: _Rows, shares: tuple[float, float], seed: int
) -> tuple[tuple[np.ndarray, ...], list[Fault]]:
    """Return parts that have no group in common; each gets its share of the groups, and of those of each class."""
    import numpy as np

    ids, order = _in_order(rows, bits(seed, SPLIT, GROUP_ORDER, len(rows.index)))
    left, n_validation, n_test = sizes(len(order), *shares)
    if left < 1:
        return (), [
            ("group", f"{len(order)} groups are too few for these parts. Try data.test=0, or smaller shares.")
        ]
    offsets = bits(seed, SPLIT, GROUP_OFFSETS, 2)
    rest, test = every(order, n_test, int(offsets[0]))
    _, validation = every(rest, n_validation, int(offsets[1]))
    part = np.zeros(len(order), "int64")
    part[validation], part[test] = 1, 2
    return tuple(np.flatnonzero(part[ids] == i) for i in range(3)), []


def _by_time(times: np.ndarray, held_out: tuple[int, int]) -> tuple[tuple[np.ndarray, ...], list[Fault]]:
    """Return training, then validation, then test rows; those of the same time stay together.

    They are in the earlier part, unless the later one would then be empty.
    """
    import numpy as np

    order = np.argsort(times, kind="stable")
    begins = np.flatnonzero(np.diff(times[order], prepend=-np.inf))  # where the rows of each time begin
    number, parts = len(begins), 1 + sum(count > 0 for count in held_out)
    if number < parts:
        text = f"{number} different times are too few for {parts} parts, as rows of the same time stay together. Take data.validation=0 or data.test=0, or another column."
        return (), [("time", text)]
    bounds, bound, end = [], len(order), number
    for count in reversed(held_out):
        bound -= count
        if count:
            parts -= 1
            end = min(max(int(np.searchsorted(begins, bound)), parts), end - 1)
        bounds.insert(0, begins[end] if end < number else len(order))
    return tuple(np.split(order, bounds)), []


def _end_of_time(times: np.ndarray, bound: int) -> int:
    """Return where the rows of the time before a bound end; the times ascend."""
    import numpy as np

    return int(np.searchsorted(times, times[bound - 1], "right")) if 0 < bound < len(times) else bound


def _fold(
    drawn: tuple[np.ndarray, ...], rows: _Rows, splitting: SplitSettings
) -> tuple[tuple[np.ndarray, ...], list[Fault]]:
    """Return the parts with a fold of the training rows as validation.

    By time, fold i of k is the block i + 1 of k + 1, and the blocks before it are trained on; otherwise all other folds are.
    """
    import numpy as np

    rest, _, test = drawn
    inside, folds, fold = rows.at(rest), splitting.folds, splitting.fold
    if inside.times is not None:
        order = np.argsort(inside.times, kind="stable")
        bounds = [len(order) * (fold + i) // (folds + 1) for i in (1, 2)]
        train, validation = np.split(order, [_end_of_time(inside.times[order], bound) for bound in bounds])[
            :2
        ]
    else:
        ids, order = _in_order(inside, bits(splitting.seed, SPLIT, FOLD_ORDER, len(rest)))
        if len(order) < folds:  # the same answer on each fold, not on those alone that are empty
            folded = "rows" if inside.groups is None else "groups"
            return (), [("folds", f"{len(order)} {folded} are too few for {folds} folds. Take fewer.")]
        of_group = np.empty(len(order), "int64")
        of_group[order] = np.arange(len(order)) % folds
        train, validation = (
            np.flatnonzero(chosen) for chosen in (of_group[ids] != fold, of_group[ids] == fold)
        )
    if not len(train) or not len(validation):
        return (), [("folds", f"there are too few rows, groups or times for {folds} folds. Take fewer.")]
    return (rest[train], rest[validation], test), []
