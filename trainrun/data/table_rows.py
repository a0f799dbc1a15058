"""Rows to predict: a table, in a file or in memory, as the arrays that a model was trained on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import (
    _in_memory,
    _open_table,
    _table,
    _table_examples,
    _table_inputs,
    _table_problems,
    _table_stored,
    scoring,
)
from trainrun.data._csv_format import CsvFormat
from trainrun.data._csv_source import CsvSource
from trainrun.data._faults import Fault, Place, raise_faults
from trainrun.data._in_memory import MemorySource
from trainrun.data._table_examples import Examples, TableSource
from trainrun.data._table_settings import TableSettings
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.errors import Problem, UserError, did_you_mean, listed
from trainrun.ui import console

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class TableRows:
    """Rows as a model's arrays.

    Args:
        x: as `Split.x`.
        count: how many rows.
        missing: column -> values that are missing, where some are.
        unknown: column -> values that the training part did not have, where some are.
        further: the other columns that were asked for, as read.
    """

    x: np.ndarray | dict[str, np.ndarray]
    count: int
    missing: Mapping[str, int]
    unknown: Mapping[str, int]
    further: pa.Table


def warn(unknown: Mapping[str, int], missing: Mapping[str, int]) -> None:
    """Print a warning of values that the training part did not have, and of missing ones, with their number in each column."""
    for what, counts in (
        ("unknown categories, which the training part does not have", unknown),
        ("missing values", missing),
    ):
        if counts:
            console.warn(f"{what}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}")


def open_rows(
    data: str | os.PathLike[str] | pd.DataFrame | Mapping[str, Any],
    fitted: Preprocessor | None = None,
    form: CsvFormat | None = None,
    announces: bool = True,
) -> TableSource:
    """Return a table that is read when its rows are asked for.

    The encoding of a CSV file is told by its bytes, since another program may have written it than the training file.

    Args:
        data: the path of a CSV, Parquet or Feather file (a folder, a pattern), a DataFrame, or arrays by column.
        fitted: of the model that gets the rows.
        form: how a CSV file is written: as the file of the training, or, beside `fitted`, this one; None: as `fitted` has it, or with
            the columns' names in its first line.
        announces: whether a warning is printed if the encoding is a guess.

    Raises:
        UserError: the file cannot be read, or lacks columns of the model.
    """
    if not isinstance(data, str | os.PathLike):
        value = _in_memory.understood(data)
        if value.table is None:
            raise UserError(
                Problem("data", "expected a table: a DataFrame, or one array of one axis for each column.")
            )
        return MemorySource("data", value.table)
    if fitted is not None and not fitted.table:  # a model of arrays: whatever the file is
        raise_faults(_table_stored.header_faults((), fitted))
    is_later = form is None or fitted is None
    forms = [form or CsvFormat()] if form or fitted is None else fitted.file.of_later_files(fitted.targets)
    for form in forms:
        source, faults = _open_table.by_content({"path": os.fspath(data)}, form, is_later)
        if fitted is not None and not faults:
            faults = _table_stored.header_faults(source.header, fitted)
        if not faults:
            break
    raise_faults(faults)
    if announces and is_later and isinstance(source, CsvSource) and source.understood():
        console.warn(source.understood())
    return source


class Block(MemorySource):
    """Some rows of a table, one after another with others; see `_table_examples.TableSource`.

    Args:
        source: the whole table.
        table: the rows.
        first: the number of the first one in the whole table, from 0.
    """

    def __init__(self, source: TableSource, table: pa.Table, first: int) -> None:
        super().__init__(source.name, table)
        self.typed, self._source, self._first = source.typed, source, first

    def locate(self, rows: Sequence[int]) -> Mapping[int, Place]:
        places = self._source.locate([row + self._first for row in rows])
        return {row - self._first: place for row, place in places.items()}


def blocks(source: TableSource, fitted: Preprocessor, further: Sequence[str] = ()) -> Iterator[TableRows]:
    """Yield the rows of a table as the arrays that a model takes, some at a time, in constant memory where the file's format allows it.

    Args:
        source, fitted, further: as in `read`.

    Raises:
        UserError: as by `read`; the rows before the fault were yielded.
    """
    raise_faults([*_table_stored.header_faults(source.header, fitted), *further_faults(source, further)])
    names = list(dict.fromkeys([*(c.name for c in fitted.columns), *further]))
    first = 0
    for table in source.blocks(names):
        if table.num_rows:
            yield read(Block(source, table, first), fitted, further)
            first += table.num_rows


def further_faults(source: TableSource, further: Sequence[str]) -> list[Fault]:
    """Return which of the other columns a table lacks."""
    header = list(source.header)
    return [
        ("path", f"there is no column {name!r}.{did_you_mean(name, header)} The file has {listed(header)}.")
        for name in further
        if name not in header
    ]


def read(source: TableSource, fitted: Preprocessor, further: Sequence[str] = ()) -> TableRows:
    """Return all rows of a table as the arrays that a model takes.

    Args:
        source: of `open_rows`.
        fitted: of the model.
        further: other columns that are wanted (ids).

    Raises:
        UserError: columns are lacking, or hold what is no number.
    """
    import numpy as np
    import pyarrow as pa

    raise_faults([*_table_stored.header_faults(source.header, fitted), *further_faults(source, further)])
    names = tuple(c.name for c in fitted.columns)
    # Nothing is fitted here, whatever is missing.
    settings = _table_stored.with_stored(
        TableSettings(missing="drop", na_values=fitted.missing_words), fitted
    )
    columns = list(dict.fromkeys([*names, *further]))
    raw, faults = source.read(columns, [*settings.text_columns, *(f for f in further if f not in names)])
    if raw is None:
        raise_faults(faults)
    kept = raw.select(list(further)) if further else pa.table({})
    raw = _as_texts(raw, source, fitted)
    table = _table.Table(_table.converted(raw.select(list(names)), settings, source.typed), raw.num_rows)
    del raw
    invalid = {name: column for name, column in table.columns.items() if len(column.invalid)}
    raise_faults(
        [*faults, *_table_problems.value_faults(_table.Table(invalid, table.rows), settings, source.locate)]
    )
    raise_faults(_table_stored.kind_faults(table, fitted))
    every = np.arange(table.rows)
    examples = Examples(table, every, every, fitted.target, {}, every)
    return _rows(examples, settings, fitted, kept)


@dataclass(frozen=True)
class LabelledRows:
    """Rows with their target.

    Args:
        rows: as a model's arrays.
        y: class ids `[n]`, or numbers `[n, 1]`; of several outputs, a dict of these by name.
        weight: of each row, or None.
        left_out: rows without a target, or left out as in training because something is missing.
        places: the number of each row in the table, counted from 0.
    """

    rows: TableRows
    y: np.ndarray | dict[str, np.ndarray]
    weight: np.ndarray | None
    left_out: int
    places: np.ndarray


def labelled(
    source: TableSource, fitted: Preprocessor, spec: Mapping[str, Any], further: Sequence[str] = ()
) -> LabelledRows:
    """Return the rows of a table that have a target, as the arrays that a model takes, with their labels.

    Args:
        source, fitted, further: as in `read`.
        spec: the dataset's arguments in training: `missing`, `formats`, and `weight`, which the table need not have.

    Raises:
        UserError: columns are lacking, hold what is no number, or the target has other classes.
    """
    names = [c.name for c in fitted.columns]
    targets = fitted.targets
    faults = further_faults(source, [*targets, *further])
    raise_faults([*_table_stored.header_faults(source.header, fitted), *faults])
    weight = spec.get("weight") if spec.get("weight") in source.header else None
    settings = TableSettings(
        targets if len(targets) > 1 else next(iter(targets), None),
        weight=weight,
        missing=spec.get("missing", "auto"),
        formats=spec.get("formats", "auto"),
        na_values=fitted.missing_words,
        positive=None,
        label_separator=spec.get("label_separator"),
        scored=True,
    )
    settings, faults = _table_stored.with_stored(settings, fitted).with_header(source.header)
    raise_faults(faults)
    read_too = [name for name in further if name not in names]
    raw, faults = source.read(
        list(dict.fromkeys([*settings.used, *further])), [*settings.text_columns, *read_too]
    )
    raise_faults(faults)
    kept = raw.select(list(further))
    block = Block(source, _as_texts(raw, source, fitted), 0)
    examples, settings, faults = _table_examples.examples(block, settings)
    raise_faults(faults)
    raise_faults(_table_stored.kind_faults(examples.table, fitted))
    examples, faults = _table_stored.with_labels(examples, fitted, settings)
    raise_faults([*faults, *_table_stored.gap_faults(examples.table, fitted, settings.missing)])
    keep = examples.keep
    weights = None if weight is None else examples.table.columns[weight].numbers[keep].astype("float32")
    rows = _rows(examples, settings, fitted, kept.take(keep))
    return LabelledRows(rows, examples.labels_at(slice(None)), weights, raw.num_rows - len(keep), keep)


def _rows(examples: Examples, settings: TableSettings, fitted: Preprocessor, further: pa.Table) -> TableRows:
    """Return examples as a model's arrays, with what is missing and unknown in them."""
    import numpy as np

    columns, keep = examples.table.columns, examples.keep
    of_inputs = {name: columns[name] for name in settings.inputs}
    missing = {name: count for name, c in of_inputs.items() if (count := int((~c.known()[keep]).sum()))}
    inputs = _table_inputs.inputs(examples, settings, [np.arange(len(keep))], False, {}, fitted)
    unknown = _table_stored.unknown(examples, fitted)
    arrays = {
        spec.name: np.ascontiguousarray(inputs.arrays[spec.name][0], spec.dtype) for spec in fitted.inputs
    }
    x = arrays if len(arrays) > 1 else next(iter(arrays.values()))
    return TableRows(x, len(keep), missing, unknown, further)


def _as_texts(raw: pa.Table, source: TableSource, fitted: Preprocessor) -> pa.Table:
    """Return a table whose categories and texts are texts, as the training file had them."""
    texts = [column for column in fitted.columns if column.kind in ("category", "text")]
    for column in texts if source.typed else ():
        i = raw.column_names.index(column.name)
        raw = raw.set_column(i, column.name, _texts(raw.column(i), column, fitted.missing_words))
    return raw


def _texts(values: pa.ChunkedArray, column: Column, words: Sequence[str]) -> pa.ChunkedArray:
    """Return numbers and truth values of a category as the texts that the training file had for them."""
    import pyarrow as pa
    import pyarrow.types as t

    if not (t.is_boolean(values.type) or t.is_integer(values.type) or t.is_floating(values.type)):
        return values
    chunk = values.dictionary_encode().combine_chunks()
    known, missing = frozenset(column.categories), frozenset(words)
    different = chunk.dictionary.to_pylist()
    present = [value for value in different if value == value]
    try:
        spelled = scoring.category_texts(present, column.name, known, missing)
    except ValueError as error:
        raise UserError(Problem("data", str(error))) from None
    text_of = dict(zip(present, spelled, strict=True))
    texts = pa.array([text_of.get(value, "") for value in different], pa.string()).take(chunk.indices)
    return pa.chunked_array([texts])
