"""Tables and arrays that Python code hands over: a DataFrame, arrays by name, or `(x, y)`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data import _arrow_source, _header_names, _pandas_columns, _read_once
from trainrun.data._faults import Fault, Place, raise_faults
from trainrun.data._handed_over import InMemory, joined, not_dense, refused
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_files import SETS
from trainrun.data.dataset import Dataset
from trainrun.errors import UserError, listed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

EXPECTED = (
    "expected a DataFrame (of pandas, polars or pyarrow), arrays by name, {'x': x, 'y': y}, a tuple (x, y) or (x, y, weight), "
    "a tf.data.Dataset, a PyDataset, a generator, iterator or object with rows that gives such tuples, or these by part, "
    "{'train': …, 'validation': …, 'test': …}"
)
# Names of the columns and arrays of a tuple.
X, Y, WEIGHT, TARGET = "x", "y", "weight", "target"


def understood(value: Any, part: str = "") -> InMemory:
    """Return a value that Python code hands over as a table or as arrays.

    Args:
        value: a DataFrame; a mapping of arrays, which is a table if each has one axis; or `(x, y)` or `(x, y, weight)`, where `x` is
            an array, arrays by name (a table, if there are texts and each has one axis), or a DataFrame without the target; `y` of several targets, and their weights, are arrays by name (`y` with
            a DataFrame also a DataFrame), and None where there is nothing to predict. Or any of these by part: ``train``, and ``validation``,
            ``test``, and ``validation_sets`` by name. Examples that come piece by piece (`_read_once.is_source`) are read.
        part: that the value is, for messages.

    Raises:
        UserError: it is none of these, or an array in it is faulty.
    """
    if _read_once.is_source(value):
        value = _read_once.collected(value, part)
    if isinstance(value, tuple | list):
        return _of_tuple(value)
    if isinstance(value, Mapping):
        if _is_by_part(value):
            sets = value.get(SETS, {})
            if not isinstance(sets, Mapping):
                raise refused(f"{SETS} is a {type(sets).__name__}; expected data by name, {{'hard': …}}.")
            raise_faults(SplitSettings(validation_sets=sets).set_faults())
            parts = {part: understood(value[part], part) for part in Dataset.PARTS if part in value}
            return joined(parts, {str(name): understood(one, str(name)) for name, one in sets.items()})
        arrays = _arrays(value)
        if arrays and all(array.ndim == 1 for array in arrays.values()):
            return InMemory(_table(arrays), roles={})
        return InMemory(arrays=arrays, roles={})
    if _is_table(value):
        return InMemory(_table(value), roles={})
    raise refused(f"{EXPECTED}, got {type(value).__name__}.")


def _is_by_part(value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping has a value for each part, not for each column or array; a part by another name is refused."""
    apart = all(
        isinstance(one, tuple | list | Mapping) or _is_table(one) or _read_once.is_source(one)
        for one in value.values()
    )
    others = [name for name in value if name not in (*Dataset.PARTS, SETS)]
    if "train" in value and apart and others and not any(isinstance(one, list) for one in value.values()):
        raise refused(f"expected the parts {listed(Dataset.PARTS)}, got {others[0]!r}.")
    return "train" in value and apart and not others


class MemorySource:
    """See `_table_examples.TableSource`.

    Args:
        name: of the dataset.
        table: the rows.
        is_small: whether the preflight check reads it.
        own_files: the parts that have files of their own: ``validation``, ``test``.
        part_sizes: rows of the training part and of those with files of their own, one after another; empty: all are training rows.
        note: what `understood` returns.
    """

    typed = True

    def __init__(
        self,
        name: str,
        table: pa.Table,
        is_small: bool = False,
        own_files: Sequence[str] = (),
        part_sizes: Sequence[int] = (),
        note: str = "",
    ) -> None:
        self.name, self.header, self._table = name, list(table.schema.names), table
        self.is_small, self.own_files = is_small, own_files
        self._part_sizes, self._note = part_sizes or (table.num_rows,), note

    def leading_zeros(self) -> Mapping[str, str]:
        return {}

    def understood(self) -> str:
        return self._note

    def groups(self, columns: Sequence[str]) -> list[Sequence[str]]:
        return [columns]

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the columns at once."""
        yield self._table.select(columns)

    def read(self, columns: Sequence[str], text: Collection[str]) -> tuple[pa.Table | None, list[Fault]]:
        if faults := _arrow_source.type_faults(self._table.schema, columns):
            return None, faults
        table = self._table.select(columns)
        return table, [] if table.num_rows else [("path", "the table has no rows.")]

    def file_parts(self) -> np.ndarray:
        import numpy as np

        return np.repeat(np.arange(len(self._part_sizes)), self._part_sizes)

    def locate(self, rows: Sequence[int]) -> Mapping[int, Place]:
        return {row: Place(f"row {row + 1}") for row in rows}


def _of_tuple(value: Sequence[Any]) -> InMemory:
    if len(value) not in (2, 3):
        raise refused(f"{EXPECTED}, got a {type(value).__name__} of {len(value)}.")
    x, y, weight = (*value, None) if len(value) == 2 else value
    if _is_table(x):
        return _with_target(_table(x), y, weight)
    others, roles = _named(Y, y)
    if weight is not None:
        weights, role = _named(WEIGHT, weight)
        others, roles = others | weights, roles | role
    inputs = _arrays(x) if isinstance(x, Mapping) else _arrays({X: x})
    if all(array.ndim == 1 for array in inputs.values()) and any(
        array.dtype.kind in "USO" for array in inputs.values()
    ):
        return _with_target(_table(inputs), y, weight)
    if taken := [key for key in others if key in inputs]:
        raise refused(f"an input has the name {taken[0]!r}, which is that of another part. Rename it.")
    return InMemory(arrays={**inputs, **_arrays(others)}, roles={"x": list(inputs), **roles})


def _named(role: str, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of targets or of weights, of several targets by name, and the setting that names them."""
    if value is None:
        return {}, {role: None}
    if not isinstance(value, Mapping):
        return {role: value}, {role: role}
    names = [str(name) for name in value]
    if role == Y:
        return dict(zip(names, value.values(), strict=True)), {Y: names}
    keys = {name: f"{WEIGHT}_{name}" for name in names}
    return dict(zip(keys.values(), value.values(), strict=True)), {WEIGHT: keys}


def _with_target(table: pa.Table, y: Any, weight: Any) -> InMemory:
    """Return a table of features with the target, and the weights, as further columns."""
    columns = dict(zip(table.column_names, table.columns, strict=True))
    if isinstance(y, Mapping) or _is_table(y):
        added = [("target", str(name), y[name]) for name in (y if isinstance(y, Mapping) else y.columns)]
    else:
        name = getattr(y, "name", None)
        added = [("target", str(name) if name is not None else TARGET, y)]
    targets = [column for _, column, _ in added]
    if weight is not None:
        added.append(("weight", WEIGHT, weight))
    for key, column, values in added:
        array = next(iter(_arrays({column: values}).values()))
        if column in columns:
            raise refused(f"x has a column {column!r}, which is the name of the {key}. Rename one of them.")
        if array.ndim != 1 or len(array) != table.num_rows:
            message = f"the {key} has the shape {list(array.shape)}; expected [{table.num_rows}], one for each row of x."
            raise refused(message)
        columns[column] = _table({column: array}).column(column)
    import pyarrow as pa

    roles = {"target": targets if len(targets) > 1 else targets[0]}
    return InMemory(pa.table(columns), roles=roles | ({} if weight is None else {"weight": WEIGHT}))


def _is_table(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns")


def _table(value: Any) -> pa.Table:
    """Return an Arrow table without an index and without metadata.

    Raises:
        UserError: a column has no type.
    """
    import pyarrow as pa

    pandas = sys.modules.get("pandas")
    try:
        if pandas is not None and isinstance(value, pandas.DataFrame):
            value = value.set_axis([str(name) for name in value.columns], axis=1)
            if faults := _header_names.faults(list(value.columns)):
                raise refused(faults[0][1])
            table = pa.Table.from_pandas(_pandas_columns.readable(value), preserve_index=False)
        else:
            # NaN among texts is a missing one.
            each = value.items() if isinstance(value, Mapping) else ()
            columns = {name: pa.array(array, from_pandas=array.dtype == "object") for name, array in each}
            table = pa.table(columns or value)
    except UserError:
        raise
    except (pa.ArrowException, ValueError, TypeError) as error:
        words = ". ".join(str(part).rstrip(".") for part in error.args)
        raise refused(
            f"the table has a column that cannot be read: {words}. Give each column values of one type."
        ) from error
    return table.replace_schema_metadata(None)


def _arrays(values: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    """Return arrays by name, texts as such.

    Raises:
        UserError: one is no array, or holds objects.
    """
    import numpy as np

    arrays = {}
    for name, value in values.items():
        if way_out := not_dense(value):
            raise refused(f"{name!r} {way_out}")
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise refused(f"{name!r} is no array: {error}.") from error
        if (
            array.dtype.kind == "O" and all(isinstance(item, str) for item in array.ravel())
        ) or array.dtype.kind == "T":
            array = array.astype("str")
        if array.dtype.kind == "O" and array.ndim != 1:
            raise refused(f"{name!r} holds Python objects. Give it numbers or texts.")
        if not array.ndim:
            raise refused(f"{name!r} is a single value, {value!r}; expected one for each example.")
        arrays[str(name)] = array
    return arrays
