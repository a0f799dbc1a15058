"""Select the rows of a table that become examples, and their labels; or collect their faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from trainrun.data import _columns, _notations, _spool, _table, _table_labels, _table_problems
from trainrun.data._faults import Fault, Place
from trainrun.data._gaps import NOT_IMPUTING
from trainrun.data._table import Table
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import TargetSpec

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

    def groups(self, columns: Sequence[str]) -> list[Sequence[str]]:
        """Return the columns in groups that are read one after another: one group, unless memory is saved so."""

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the columns, some rows at a time, untyped columns as text."""

    def locate(self, rows: Sequence[int]) -> Mapping[int, Place]:
        """Return the places of rows in the table that `read` returned."""

    def file_parts(self) -> np.ndarray:
        """Return the part whose file each of the rows that `read` returned is from: 0 training, 1 validation, 2 test."""

    def understood(self) -> str:
        """Return what was inferred about the file as a sentence, or ""."""

    def leading_zeros(self) -> Mapping[str, str]:
        """Return columns of digits with leading zeros, each with such a value; see `_leading_zeros`."""


@dataclass(frozen=True)
class Examples:
    """The rows that are examples, and their labels.

    Args:
        table: all rows.
        keep: indices of the examples.
        labels: class ids `[n]`, or numbers `[n, 1]`; of several targets, a dict by name.
        target: what they mean.
        counts: of a class target: name -> examples; of several targets, a dict of these by name.
        file_parts: the part whose file each example is from (0 training, 1 validation, 2 test), int16 `[n]`.
        source: of the table; None: it is not at hand.
        empty: features that are left out because no row has a value.
    """

    table: Table
    keep: np.ndarray
    labels: Any
    target: TargetSpec
    counts: Mapping[str, Any]
    file_parts: np.ndarray
    source: TableSource | None = None
    empty: tuple[str, ...] = ()

    def kept(self, values: np.ndarray) -> np.ndarray:
        """Return the examples' values of a column's, one for each row of the table: the same array if every row is an example."""
        return values if len(self.keep) == self.table.rows else values[self.keep]

    def missing(self) -> dict[str, int]:
        """Return how many values each column misses, of all rows; columns that miss none are left out."""
        return {name: sum(c.missing.values()) for name, c in self.table.columns.items() if c.missing}

    def digests(self) -> dict[str, str]:
        """Return the digest of each column."""
        return {name: column.digest() for name, column in self.table.columns.items()}

    def labels_at(self, rows: np.ndarray | slice) -> np.ndarray | dict[str, np.ndarray]:
        """Return the labels of some examples, as a dataset has them."""
        if self.target.named:
            return {
                name: self.labels[name][rows].astype(of.dtype, copy=False)
                for name, of in self.target.named.items()
            }
        return self.labels[rows].astype(self.target.dtype, copy=False)

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


def examples(
    source: TableSource, settings: TableSettings
) -> tuple[Examples | None, TableSettings, list[Fault]]:
    """Return the examples, the settings with the features that they have, and all that is wrong with the rows.

    Args:
        source: the table.
        settings: how its columns are to be read, with their names as it has them.
    """
    import numpy as np

    table, faults = _read(source, settings)
    if table is None:
        return None, settings, faults
    empty = _empty(table, settings)
    settings = replace(settings, inputs=tuple(name for name in settings.inputs if name not in empty))
    table = replace(table, columns={n: column for n, column in table.columns.items() if n not in empty})
    faults += _table_problems.value_faults(table, settings, source.locate)
    if faults:
        return None, settings, faults
    keep = _kept(table, settings)
    if not len(keep):
        message = (
            "every row misses something, so none is left. Try data.missing=auto, or fewer data.features."
        )
        return None, settings, [("missing", message)]
    is_multilabel = settings.task == _columns.MULTILABEL
    if settings.label_separator is not None:
        labels, target, faults = _table_labels.separated(table.columns[settings.target], settings, keep)
        faults += _beside_faults(table, settings, keep)
        of_rows = Examples(table, keep, labels, target, {}, source.file_parts()[keep], source, empty)
        return of_rows, settings, faults
    read = {
        name: _table_labels.of_target(table, settings.of_target(name), keep, is_multilabel)
        for name in settings.targets
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
    faults += _beside_faults(table, settings, keep)
    of_rows = Examples(table, keep, labels, target, counts, source.file_parts()[keep], source, empty)
    return of_rows, settings, faults


def _read(source: TableSource, settings: TableSettings) -> tuple[Table | None, list[Fault]]:
    """Return the columns in use, those of a large table in files, and the faults of rows; None: it cannot be read."""
    table, faults = Table({}, 0), []
    for names in source.groups(settings.used):
        raw, wrong = source.read(names, settings.text_columns)
        faults += [fault for fault in wrong if fault not in faults]
        if raw is None or (wrong and not raw.num_rows):
            return None, faults
        if not table.columns:
            is_large = raw.num_rows * len(settings.used) * _spool.ITEM > _spool.LARGE
            table = replace(
                table, rows=raw.num_rows, store=_spool.Spool().put if is_large else _spool.in_memory
            )
        elif raw.num_rows != table.rows:
            return None, [("path", "it has changed while it was read. Start again.")]
        table.columns.update(_table.converted(raw, settings, source.typed, table.store))
        del raw
    return table, faults


def _empty(table: Table, settings: TableSettings) -> tuple[str, ...]:
    """Return the features without any value that are left out: where missing values are imputed, no setting names them, and there are others."""
    if settings.missing in NOT_IMPUTING or settings.features is not None:
        return ()
    named = {
        name for key in ("categorical", "dates", "ordinal", "text") for name in getattr(settings, key) or ()
    }
    empty = tuple(
        name
        for name in settings.inputs
        if name not in named and sum(table.columns[name].missing.values()) == table.rows
    )
    return () if len(empty) == len(settings.inputs) else empty


def _beside_faults(table: Table, settings: TableSettings, keep: np.ndarray) -> list[Fault]:
    """Return what is wrong with the columns of weights and times."""
    faults: list[Fault] = []
    if settings.weight is not None:
        weights = table.columns[settings.weight].numbers[keep]
        if weights.min() < 0 or weights.max() == 0:
            message = f"column {settings.weight}: expected weights of at least 0, not all 0; the least is {weights.min():g}."
            faults.append(("weight", message))
    if settings.time is not None and table.columns[settings.time].numbers is None:
        texts = table.columns[settings.time].texts
        other = _columns.shortened(next((t for t in texts if _notations.understand([t]) is None), texts[0]))
        faults.append(
            (
                "time",
                f"column {settings.time}: expected dates or numbers, got {other!r}. Write dates as 2024-03-31 or 2024-03.",
            )
        )
    return faults


def _kept(table: Table, settings: TableSettings) -> np.ndarray:
    """Return the indices of the rows that the missing-value policy keeps."""
    import numpy as np

    # An empty field of several labels has none of them.
    targets = () if settings.label_separator is not None else settings.targets
    demanded = settings.inputs if settings.missing == "drop" else ()
    keep = np.ones(table.rows, bool)
    for name in (*demanded, *targets, *settings.beside):
        if name is None:
            continue
        keep &= table.columns[name].known()
    return np.flatnonzero(keep)
