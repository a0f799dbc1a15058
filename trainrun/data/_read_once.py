"""Data that comes piece by piece, from a tf.data.Dataset, a PyDataset, an iterator or an object with rows: read once, into arrays."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainrun.data._handed_over import not_dense
from trainrun.data._spool import Appended
from trainrun.errors import Problem, UserError, first_line
from trainrun.ui import console
from trainrun.ui.counter import so_far
from trainrun.util.paths import size_text
from trainrun.util.user_frames import user_frames

if TYPE_CHECKING:
    import numpy as np

# What a piece has, in this order; the arrays of a mapping have none of these roles.
ROLES = ("x", "y", "weight")
# An array of a piece: its role, or "" in a mapping, and its name where there are several.
Leaf = tuple[str, str]
# Pieces after which a source counts as endless: single examples, and batches.
MOST_PIECES = {False: 10_000_000, True: 1_000_000}
# Seconds of reading after which it is said that there may be no end.
LONG_S = 10.0
SHORTEN = "Leave repeat() out, or take(n) some of it (of a generator, itertools.islice)."


def is_source(value: Any) -> bool:
    """Return whether a value gives its examples piece by piece."""
    if isinstance(value, Iterator) or _is_tf(value):
        return True
    if isinstance(value, str | bytes | tuple | list | set | frozenset | Mapping | type):
        return False
    is_array = hasattr(value, "__array__") or hasattr(value, "__arrow_c_stream__")
    return not is_array and (hasattr(value, "__iter__") or _has_rows(value))


def _has_rows(value: Any) -> bool:
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")


def collected(value: Any, part: str = "") -> Any:
    """Read a source to its end, say how much it was, and return its examples as `_in_memory.understood` takes them.

    Args:
        value: see `is_source`. Its pieces are batches or single examples: ``x``, ``(x,)``, ``(x, y)``, ``(x, y, weight)``, each an array or
            arrays by name; or a mapping of arrays by name.
        part: that the examples are of, for messages; empty: they are not handed over by part.

    Raises:
        UserError: a piece is not like the first one, there is none, or there is no end.
    """
    pieces = _Pieces(f"{part}: " if part else "")
    hint_at = time.monotonic() + LONG_S
    for piece in so_far(_each(value, pieces), lambda _: 1, f"reading {part or 'data'}, pieces"):
        pieces.add(piece)
        if time.monotonic() > hint_at:
            hint_at = math.inf
            pieces.say_no_end()
    made = pieces.together()
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(value, keras.utils.PyDataset):
        kind = type(value)
        if kind.on_epoch_end is not keras.utils.PyDataset.on_epoch_end:
            text = f"on_epoch_end of {kind.__name__} is not called; it was read once"
            console.note(f"{part or 'data'}: {text}")
    return made


def _is_tf(value: Any) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(value, tensorflow.data.Dataset)


def _each(value: Any, pieces: _Pieces) -> Iterator[Any]:
    """Yield the pieces of a source."""
    try:
        source: Iterable[Any] = value
        if _is_tf(value):
            if value.cardinality() == -1:  # tf.data.INFINITE_CARDINALITY
                raise pieces.refused(f"the tf.data.Dataset has no end. {SHORTEN}")
            source = value.as_numpy_iterator()
        elif _has_rows(value):
            count = value.num_batches if hasattr(value, "num_batches") else len(value)
            if count is None:
                raise pieces.refused(
                    f"{type(value).__name__} has no end: its num_batches is None. Return a number."
                )
            source = (value[i] for i in range(count))
        yield from source
    except Exception as error:
        if isinstance(error, UserError) or user_frames(error):
            raise
        # What TensorFlow says of its own operations, batches of different shapes for example.
        text = f"piece {pieces.count + 1} cannot be read: {type(error).__name__}: {first_line(error)}"
        raise pieces.refused(text) from error


class _Pieces:
    """Batches or examples, put together; the first one decides what each has.

    Args:
        prefix: of messages.
    """

    def __init__(self, prefix: str) -> None:
        self.count = 0
        self._prefix = prefix
        self._are_batches = False
        self._columns: dict[Leaf, Appended] = {}

    def refused(self, message: str) -> UserError:
        return UserError(Problem("data", self._prefix + message))

    def add(self, piece: Any) -> None:
        """Add a batch or an example.

        Raises:
            UserError: it is not like the first one.
        """
        self.count += 1
        arrays = {leaf: self._array(leaf, value) for leaf, value in self._leaves(piece)}
        if self.count == 1:
            self._are_batches = _is_batch([*arrays.values()])
            self._columns = {leaf: Appended() for leaf in arrays}
        if arrays.keys() != self._columns.keys():
            has, expected = (", ".join(map(_shown, leaves)) for leaves in (arrays, self._columns))
            raise self.refused(f"piece {self.count} has {has}; expected {expected}, as the first one has.")
        if self.count > (most := MOST_PIECES[self._are_batches]):
            way_out = "Or yield larger batches." if self._are_batches else "Or yield batches."
            raise self.refused(f"there is no end after {most:,} pieces. {SHORTEN} {way_out}")
        rows = {leaf: array if self._are_batches else array[None] for leaf, array in arrays.items()}
        if len({len(block) for block in rows.values()}) > 1:
            lengths = ", ".join(f"{len(block):,} in {_shown(leaf)}" for leaf, block in rows.items())
            raise self.refused(f"piece {self.count} has {lengths}; expected as many examples in each.")
        for leaf, block in rows.items():
            if fault := self._columns[leaf].add(block):
                taken = "batch" if self._are_batches else "single example"
                raise self.refused(
                    f"piece {self.count}: {_shown(leaf)} {fault} Each piece was taken for a {taken}."
                )

    def say_no_end(self) -> None:
        """Say how much has been read, and what to do if the source has no end."""
        size = size_text(sum(column.nbytes for column in self._columns.values()))
        console.warn(
            f"{self._prefix or 'data: '}{self.count:,} pieces, {size}, and no end yet. A source is read once, to its end. If it has none, stop "
            f"this with Ctrl-C. {SHORTEN}"
        )

    def together(self) -> Any:
        """Return the examples of all pieces: a tuple by role, or a mapping of arrays.

        Raises:
            UserError: there is none.
        """
        if not self.count:
            raise self.refused("there are no examples: it has ended before the first one.")
        arrays = {leaf: column.array() for leaf, column in self._columns.items()}
        examples, size = len(next(iter(arrays.values()))), sum(array.nbytes for array in arrays.values())
        came = f"in {self.count:,} batches" if self._are_batches else "one by one"
        where = ", kept in a temporary file" if any(c.in_file for c in self._columns.values()) else ""
        console.note(
            f"{self._prefix or 'data: '}read once, {examples:,} examples {came}, {size_text(size)}{where}"
        )
        by_role: dict[str, Any] = {}
        for (role, name), array in arrays.items():
            by_role[role] = {**by_role.get(role, {}), name: array} if name else array
        return by_role[""] if "" in by_role else tuple(by_role.get(role) for role in ROLES)

    def _leaves(self, piece: Any) -> Iterator[tuple[Leaf, Any]]:
        """Yield the arrays of a piece, each with its role and name."""
        if isinstance(piece, Mapping):
            yield from ((("", str(name)), value) for name, value in piece.items())
            return
        values = piece if isinstance(piece, tuple | list) else (piece,)
        if not 1 <= len(values) <= len(ROLES):
            kind = type(piece).__name__
            raise self.refused(
                f"piece {self.count} is a {kind} of {len(values)}; expected x, (x, y) or (x, y, weight)."
            )
        for role, value in zip(ROLES, values, strict=False):
            if isinstance(value, Mapping):
                yield from (((role, str(name)), array) for name, array in value.items())
            elif value is not None:
                yield (role, ""), value

    def _array(self, leaf: Leaf, value: Any) -> np.ndarray:
        """Return an array; texts as objects, since their lengths differ.

        Raises:
            UserError: it is none.
        """
        import numpy as np

        if isinstance(value, tuple) and any(np.ndim(one) for one in value):
            way_out = "Name them: {'a': …, 'b': …}."
            raise self.refused(
                f"piece {self.count}: {_shown(leaf)} is a tuple of {len(value)} arrays. {way_out}"
            )
        if way_out := not_dense(value):
            raise self.refused(f"piece {self.count}: {_shown(leaf)} {way_out}")
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise self.refused(
                f"piece {self.count}: {_shown(leaf)} is no array: {first_line(error)}"
            ) from error
        if array.dtype.kind in "SUTO":
            texts = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in array.ravel()]
            if wrong := next((t for t in texts if not isinstance(t, str)), None):
                kind = type(wrong if array.ndim else value).__name__
                text = f"holds {kind}; expected numbers or texts. Ragged values: pad them (`to_tensor()`)."
                raise self.refused(f"piece {self.count}: {_shown(leaf)} {text}")
            array = np.array(texts, "object").reshape(array.shape)
        return array


def _is_batch(arrays: list[np.ndarray]) -> bool:
    """Return whether a piece is a batch, as Keras' `fit` takes it: each array's first axis has the examples."""
    if any(not array.ndim for array in arrays) or len({len(array) for array in arrays}) > 1:
        return False
    # An array alone that has one axis is an example's numbers.
    return len(arrays) > 1 or arrays[0].ndim > 1


def _shown(leaf: Leaf) -> str:
    role, name = leaf
    return f"{role}[{name!r}]" if role and name else repr(name) if name else role
