"""Lazy views of larger arrays: a split without a copy of its data. Imports numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from trainrun.errors import UserError

# Bytes processed at once: a few such blocks fit into a core's cache, and are large enough to amortize the call.
BLOCK = 2**20


class Rows(Protocol):
    """Storage of examples: an array in memory, or a memory-mapped one (`data/_mapped.py`)."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> np.ndarray: ...


class JoinedRows:
    """Rows of several arrays as those of one; `joined[key]` copies those at indices or a slice.

    Args:
        parts: arrays of one shape of examples, one after another.
    """

    def __init__(self, parts: Sequence[Rows]) -> None:
        import numpy as np

        self._parts, self._ends = parts, np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])
        self.dtype = np.result_type(*(part.dtype for part in parts))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> np.ndarray:
        import numpy as np

        at = np.arange(*key.indices(len(self))) if isinstance(key, slice) else np.asarray(key)
        of_part = np.searchsorted(self._ends, at, "right")
        made = np.empty((len(at), *self.shape[1:]), self.dtype)
        for i in np.unique(of_part):
            mine = of_part == i
            made[mine] = self._parts[i][at[mine] - (self._ends[i] - len(self._parts[i]))]
        return made


class RowsOnDemand:
    """Base class of rows that are made when they are asked for, as images are decoded.

    Attributes:
        fault: what is wrong with files that were read; None: nothing is known.
        memory: the array that the rows are written to, which may be read where they are made; None: there is none.
        asked: how often missing rows were made for the caller's use, not ahead of it; a single one, by which a model is built, does not count.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fault: UserError | None = None
    memory: np.ndarray | None = None
    asked: int = 0

    @property
    def complete(self) -> bool:
        """Whether all rows are made."""
        raise NotImplementedError

    def prepare(self, index: np.ndarray, shown: bool = False, threads: int | None = None) -> None:
        """Make some rows; `shown`: a line shows how far it is; `threads`: None for one on each processor."""
        raise NotImplementedError

    def content(self, index: np.ndarray) -> bytes:
        """Return what determines the values of some rows, without making them."""
        raise NotImplementedError


@dataclass(frozen=True)
class View:
    """The examples of `rows` at `index`, scaled or standardized, as a split's `x`.

    It has an array's shape, dtype and length; `view[index]` returns examples as an array, `numpy.asarray(view)` all of
    them. Transformations are elementwise, so a batch has the same bits whether it is made alone or cut from the whole.

    Args:
        rows: storage of the examples.
        index: indices of the examples in `rows`, int64 `[n]`.
        example: shape of one example; the rows are reshaped to it.
        dtype: of the resulting arrays.
        scale: factor for images, which become float32; None: not scaled.
        standard: each column's mean and standard deviation, float64 `[d]`; None: not standardized.
    """

    rows: Rows
    index: np.ndarray
    example: tuple[int, ...]
    dtype: np.dtype
    scale: float | None = None
    standard: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(cls, rows: Rows, example: tuple[int, ...] | None = None, scale: float | None = None) -> View:
        """Return a view of all rows."""
        import numpy as np

        index = np.arange(len(rows), dtype="int64")
        dtype = np.dtype("float32") if scale is not None else rows.dtype
        return cls(rows, index, rows.shape[1:] if example is None else example, dtype, scale)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.index), *self.example)

    @property
    def ndim(self) -> int:
        return 1 + len(self.example)

    @property
    def nbytes(self) -> int:
        """Size of all examples in memory, in bytes."""
        return len(self) * self.example_bytes

    @property
    def example_bytes(self) -> int:
        import math

        return math.prod(self.example) * self.dtype.itemsize

    def stored(self) -> np.ndarray | None:
        """Return the array that holds exactly these examples as they are, if there is one."""
        import numpy as np

        rows = self.rows
        is_array = isinstance(rows, np.ndarray) and rows.flags.c_contiguous and rows.dtype == self.dtype
        if not is_array or self.scale is not None or self.standard is not None or rows.shape != self.shape:
            return None
        return rows if np.array_equal(self.index, np.arange(len(rows))) else None

    def unscaled(self) -> View:
        """Return the bytes of images that are only scaled; any other view as it is."""
        if self.scale is None or self.standard is not None or self.rows.dtype != "uint8":
            return self
        return replace(self, dtype=self.rows.dtype, scale=None)

    @property
    def complete(self) -> bool:
        """Whether no example has to be made of a file first."""
        return not isinstance(self.rows, RowsOnDemand) or self.rows.complete

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return a copy of the examples at `key` (indices, a slice, a mask), or the single example at an integer."""
        import numpy as np

        at = self.index[key]
        if not np.ndim(at):
            return self[np.asarray([key])][0]
        step = max(1, BLOCK // max(self.example_bytes, 1))
        if len(at) <= step:
            return self._made(self.rows[at])
        if isinstance(self.rows, RowsOnDemand):
            self.rows.prepare(at)
        # Temporary arrays then stay in a core's cache: 1.5 times as fast as all at once.
        made = np.empty((len(at), *self.example), self.dtype)
        for start in range(0, len(at), step):
            made[start : start + step] = self._made(self.rows[at[start : start + step]])
        return made

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all examples; numpy's conversion protocol."""
        import numpy as np

        made = np.empty(self.shape, self.dtype)
        self.read_into(made)
        return made if dtype is None else made.astype(dtype, copy=False)

    def read_into(self, target: np.ndarray) -> None:
        """Fill an array of this view's shape in blocks."""
        self.prepare()
        for start, block in blocks(self):
            target[start : start + len(block)] = block

    def prepare(self) -> None:
        """Decode all examples that come from files and are not decoded yet; a line shows how far it is."""
        if isinstance(self.rows, RowsOnDemand):
            self.rows.prepare(self.index, shown=True)

    def part(self, index: np.ndarray | slice) -> View:
        """Return a view of the examples at `index`."""
        return replace(self, index=self.index[index])

    def standardized(self, mean: np.ndarray, std: np.ndarray) -> View:
        """Return a float32 view of the columns, standardized by a mean and a standard deviation."""
        import numpy as np

        return replace(self, standard=(mean, std), dtype=np.dtype("float32"))

    def cast(self, dtype: Any) -> View:
        """Return a view with another dtype."""
        import numpy as np

        return replace(self, dtype=np.dtype(dtype))

    def _made(self, values: np.ndarray) -> np.ndarray:
        import numpy as np

        values = values.reshape(len(values), *self.example)
        if self.scale is not None:
            values = values.astype("float32") * np.float32(self.scale)
        if self.standard is not None:
            mean, std = self.standard  # float64, so that the differences are, too
            values = values - mean
            values /= std
        return np.ascontiguousarray(values, self.dtype)


def blocks(array: np.ndarray | View, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an array's examples in blocks, each with the index of its first example.

    Args:
        array: `[n, …]`, in memory or a view.
        size: approximate size of a block in bytes; at least one example.
    """
    import math

    each = math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, size // max(each, 1))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]
