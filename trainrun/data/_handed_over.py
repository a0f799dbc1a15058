"""What Python code hands over, as a table or as arrays, whole or by part."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _spool
from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError, first_line, listed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


# Arrays of another form that one message names.
NAMED = 3


@dataclass(frozen=True)
class InMemory:
    """A table, or arrays of examples.

    Args:
        table: the table, or None.
        arrays: by name, where there is no table.
        roles: settings that the form of the value determines: `target` and `weight` of a table, `x`, `y` and `weight` of arrays.
        rows: examples of training, validation, test and further validation sets that were handed over apart, and stand one after
            another; empty: they were not.
        sets: names of these further validation sets.
    """

    table: pa.Table | None = None
    arrays: Mapping[str, np.ndarray] | None = None
    roles: Mapping[str, Any] | None = None
    rows: tuple[int, ...] = ()
    sets: tuple[str, ...] = ()

    def apart(self) -> list[InMemory | None]:
        """Return the data of each part in `rows`, None for one that there is not; data that was handed over whole as the only part."""
        if not self.rows:
            return [self]
        begins = itertools.accumulate(self.rows, initial=0)
        return [self._some(begin, count) if count else None for begin, count in zip(begins, self.rows)]  # noqa: B905

    def _some(self, begin: int, count: int) -> InMemory:
        if self.table is not None:
            return InMemory(self.table.slice(begin, count))
        return InMemory(arrays={key: array[begin : begin + count] for key, array in self.arrays.items()})


def joined(parts: Mapping[str, InMemory], sets: Mapping[str, InMemory]) -> InMemory:
    """Return the examples of all parts and further validation sets, one after another.

    Args:
        parts: the training part, and held-out ones by name.
        sets: further validation sets by name.

    Raises:
        UserError: a part has other columns or arrays than the training part.
    """
    import numpy as np
    import pyarrow as pa

    train = parts["train"]
    rows = []
    each_part = [*parts.items(), *sets.items()]
    for name, part in each_part:
        if differences := _differences(part, train):
            raise refused(f"{name} {' and '.join(differences)}; expected what train has.")
        lengths = {key: len(array) for key, array in (part.arrays or {"": part.table}).items()}
        if len({*lengths.values()}) > 1:
            counts = ", ".join(f"{count:,} in {key}" for key, count in lengths.items())
            raise refused(f"{name} has {counts}; expected as many examples in each.")
        rows.append(next(iter(lengths.values())))
        if not rows[-1]:
            raise refused(f"{name} has no examples. Leave it out.")
    known = dict(zip(parts, rows, strict=False))
    counts = (*(known.get(name, 0) for name in Dataset.PARTS), *rows[len(parts) :])
    if train.table is not None:
        each_table = [part.table.select(train.table.column_names) for _, part in each_part]
        try:
            table = pa.concat_tables(each_table, promote_options="permissive")
        except pa.ArrowException as error:
            raise refused(f"the parts have columns of different types: {first_line(error)}.") from error
        return InMemory(table, roles=train.roles, rows=counts, sets=tuple(sets))
    arrays = {}
    for key in train.arrays:
        each = [part.arrays[key] for _, part in each_part]
        large = sum(array.nbytes for array in each) > _spool.LARGE and each[0].dtype.kind in "biuf"
        arrays[key] = _spool.Spool().put(*each) if large else np.concatenate(each)
    return InMemory(arrays=arrays, roles=train.roles, rows=counts, sets=tuple(sets))


def _differences(part: InMemory, train: InMemory) -> list[str]:
    """Return in words which columns or arrays of a part are others than those of the training part."""
    own, expected = (_described(one) for one in (part, train))
    lacking, more = (
        [name for name in one if name not in two] for one, two in ((expected, own), (own, expected))
    )
    words = [f"lacks {listed(lacking)}"] if lacking else []
    words += [f"also has {listed(more)}"] if more else []
    others = [name for name in own if name in expected and own[name] != expected[name]]
    return words + [f"has {name} as {own[name]}, not {expected[name]}" for name in others[:NAMED]]


def _described(part: InMemory) -> dict[str, str]:
    """Return the columns, or the arrays with their types and shapes."""
    if part.table is not None:
        return dict.fromkeys(part.table.column_names, "a column")
    kind = {name: "text" if a.dtype.kind in "US" else str(a.dtype) for name, a in part.arrays.items()}
    return {
        name: f"{kind[name]} {['n', *array.shape[1:]]}".replace("'", "")
        for name, array in part.arrays.items()
    }


def not_dense(value: Any) -> str:
    """Return in words why an array's values are not those that numpy makes of it, with the way out, or ""."""
    import numpy as np

    if np.ma.is_masked(value):
        return "has masked values, which would be taken as they are. Fill them: array.filled(0)."
    return f"is a sparse {type(value).__name__}. Take array.toarray()." if hasattr(value, "toarray") else ""


def refused(message: str) -> UserError:
    """Return the error of a value that is no data."""
    return UserError(Problem("data", message))
