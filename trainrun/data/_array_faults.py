"""Faults of arrays of examples: shapes, types and values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trainrun.data._columns import LARGEST, TASKS
from trainrun.data._faults import Fault
from trainrun.data._mapped import Mapped
from trainrun.data.lazy_array import Rows, blocks
from trainrun.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np

KINDS = ("numeric", "image", "tokens", "categorical")


class HasShape(Protocol):
    """An array, or its header in a file."""

    shape: tuple[int, ...]
    dtype: np.dtype


def keys_of(x: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the keys of the inputs: one, several or none."""
    return (x,) if isinstance(x, str) else tuple(map(str, x or ()))


def roles(x: Sequence[str], y: str, weight: str | None) -> list[tuple[str, str]]:
    """Return argument and key of each array: inputs, target and, if there are, weights."""
    return [*(("x", key) for key in x), ("y", y), *([] if weight is None else [("weight", weight)])]


def key_faults(
    x: Sequence[str], y: str, weight: str | None, known: Collection[str], lacking: str, has: str = "It has"
) -> list[Fault]:
    """Return the keys that no array has.

    Args:
        x, y, weight: as in `shape_faults`.
        known: the keys of all arrays.
        lacking, has: the beginnings of the message's sentences: ``there is no array``, ``There are``.
    """
    faults = [] if x else [("x", "expected the key of an array, or a list of keys, got []. For example [x].")]
    return faults + [
        (argument, f"{lacking} {key!r}.{did_you_mean(str(key), known)} {has} {', '.join(known) or 'none'}.")
        for argument, key in roles(x, y, weight)
        if key not in known
    ]


def choice_faults(kind: Any, task: str, x: Sequence[str]) -> list[Fault]:
    """Return the faults of the arguments `kind` and `task`.

    Args:
        kind: one of `KINDS` for all inputs, a mapping from an input's key to one of them, or None.
        task: see `_columns.TASKS`.
        x: the keys of the inputs.
    """
    faults: list[Fault] = []
    if isinstance(kind, Mapping):
        kinds = list(kind.values())
        for key in kind:
            if key not in x:
                message = (
                    f"there is no input {key!r}.{did_you_mean(str(key), x)} The inputs are {', '.join(x)}."
                )
                faults.append(("kind", message))
    else:
        kinds = [] if kind is None else [kind]
    for value in kinds:
        if value not in KINDS:
            near = did_you_mean(str(value), KINDS)
            faults.append(("kind", f"expected null or one of {', '.join(KINDS)}, got {value!r}.{near}"))
    if task not in TASKS:
        near = did_you_mean(str(task), TASKS)
        faults.append(("task", f"expected one of {', '.join(TASKS)}, got {task!r}.{near}"))
    return faults


def shape_faults(arrays: Mapping[str, HasShape], x: Sequence[str], y: str, weight: str | None) -> list[Fault]:
    """Return the faults of shapes and types.

    Args:
        arrays: by key, each with at least one axis.
        x: the keys of the inputs.
        y: the key of the target.
        weight: the key of the examples' weights, or None.
    """
    faults: list[Fault] = []
    n = arrays[x[0]].shape[0]
    for key in x:
        if 0 in arrays[key].shape:
            faults.append(("x", f"array {key!r} holds no examples: its shape is {list(arrays[key].shape)}."))
    faults += [
        (argument, f"array {key!r} has {arrays[key].shape[0]} examples, {x[0]!r} has {n}.")
        for argument, key in roles(x[1:], y, weight)
        if arrays[key].shape[0] != n
    ]
    for key in x:
        if arrays[key].dtype.kind not in "fiub":
            faults.append(("x", f"array {key!r} is of type {arrays[key].dtype}; expected numbers."))
    if arrays[y].dtype.kind not in "fiubUS":
        faults.append(("y", f"array {y!r} is of type {arrays[y].dtype}; expected numbers or text."))
    if weight is not None and (arrays[weight].dtype.kind not in "fiu" or len(arrays[weight].shape) != 1):
        faults.append(
            (
                "weight",
                f"array {weight!r} is {arrays[weight].dtype} {list(arrays[weight].shape)}; expected one number an example.",
            )
        )
    return faults


def value_faults(arrays: Mapping[str, Rows], x: Sequence[str], y: str, weight: str | None) -> list[Fault]:
    """Return the faults of the values; a mapped array's checksum is verified meanwhile.

    Args:
        arrays, x, y, weight: as in `shape_faults`.

    Raises:
        ValueError: the bytes of a mapped array are not those that were written.
    """
    faults = []
    for argument, key in roles(x, y, weight):
        if arrays[key].dtype.kind != "f" and not isinstance(arrays[key], Mapped):
            continue
        count, first = _not_finite(arrays[key])
        if count:
            message = (
                f"array {key!r}: {count} of {len(arrays[key])} examples hold NaN or infinity, the first is example "
                f"{first}. Fill or drop them; float32 holds numbers up to {LARGEST:g}."
            )
            faults.append((argument, message))
    if weight is not None and not faults and (arrays[weight].min() < 0 or arrays[weight].max() == 0):
        faults.append(("weight", f"array {weight!r}: expected weights of at least 0, not all 0."))
    return faults


def _not_finite(array: Rows) -> tuple[int, int]:
    """Return the number of examples with NaN, infinity or numbers beyond float32, and the index of the first."""
    count, first = 0, 0
    for start, block in each(array):
        # Minimum and maximum propagate NaN and infinity, and need no boolean array.
        if (
            block.dtype.kind != "f"
            or not block.size
            or max(abs(float(block.min())), abs(float(block.max()))) <= LARGEST
        ):
            continue
        bad = ~(abs(block.reshape(len(block), -1).astype("float64")) <= LARGEST).all(axis=1)
        first = first if count else start + int(bad.argmax())
        count += int(bad.sum())
    return count, first


def each(array: Rows) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an array's rows in blocks, each with the index of its first row."""
    return array.checked() if isinstance(array, Mapped) else blocks(array)
