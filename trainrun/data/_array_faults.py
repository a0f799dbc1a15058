"""Faults of arrays of examples: shapes, types and values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trainrun.data._columns import LARGEST, TASKS
from trainrun.data._faults import Fault
from trainrun.data._mapped import Mapped
from trainrun.data._output_names import output_name_faults
from trainrun.data.lazy_array import Rows, blocks
from trainrun.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np

KINDS = ("numeric", "image", "tokens", "categorical", "sequence")
Keys = str | Sequence[str]


class HasShape(Protocol):
    """An array, or its header in a file."""

    shape: tuple[int, ...]
    dtype: np.dtype


def keys_of(x: Keys | None) -> tuple[str, ...]:
    """Return the keys of inputs or targets: one, several or none."""
    return (x,) if isinstance(x, str) else tuple(map(str, x or ()))


def roles(x: Sequence[str], y: Keys, weight: Any) -> list[tuple[str, str]]:
    """Return argument and key of each array: inputs, targets and, if there are, weights."""
    weights = list(weight.values()) if isinstance(weight, Mapping) else keys_of(weight)
    named = {"x": x, "y": keys_of(y), "weight": dict.fromkeys(weights)}
    return [(argument, key) for argument, keys in named.items() for key in keys]


def key_faults(
    x: Sequence[str], y: Keys, weight: Any, known: Collection[str], lacking: str, has: str = "It has"
) -> list[Fault]:
    """Return the keys that no array has.

    Args:
        x, y, weight: as in `shape_faults`.
        known: the keys of all arrays.
        lacking, has: the beginnings of the message's sentences: ``there is no array``, ``There are``.
    """
    message = "expected the key of an array, or a list of keys, got []. For example [x]."
    return [("x", message)] * (not x) + [
        (argument, f"{lacking} {key!r}.{did_you_mean(str(key), known)} {has} {', '.join(known) or 'none'}.")
        for argument, key in roles(x, y, weight)
        if key not in known
    ]


def choice_faults(kind: Any, task: Any, x: Sequence[str], y: Keys = (), weight: Any = None) -> list[Fault]:
    """Return the faults of the arguments `kind` and `task`, and of the names of several targets.

    Args:
        kind: one of `KINDS` for all inputs, a mapping from an input's key to one of them, or None.
        task: one of `_columns.TASKS` for all targets, or a mapping from a target's key to one of them.
        x: the keys of the inputs.
        y: those of the targets.
        weight: the key of the weights; of several targets maybe a mapping from a target's key to one.
    """
    targets = keys_of(y)
    faults: list[Fault] = []
    for argument, value, keys, what in (
        ("kind", kind, x, "input"),
        ("task", task, targets, "target"),
        ("weight", weight, targets, "target"),
    ):
        for key in value if isinstance(value, Mapping) else ():
            if key not in keys:
                near = did_you_mean(str(key), keys)
                message = f"there is no {what} {key!r}.{near} The {what}s are {', '.join(keys)}."
                faults.append((argument, message))
    for argument, value, choices, null in (("kind", kind, KINDS, "null or "), ("task", task, TASKS, "")):
        values = value.values() if isinstance(value, Mapping) else () if null and value is None else (value,)
        for one in values:
            if one not in choices:
                near = did_you_mean(str(one), choices)
                text = f"expected {null}one of {', '.join(choices)}, got {one!r}.{near}"
                faults.append((argument, text))
    faults += [("y", f"{key!r} is an input, too. Name another target.") for key in targets if key in x]
    if len(targets) == 1 and isinstance(weight, Mapping):
        faults.append(("weight", "a weight by target is for several; got one target. Name the array's key."))
    return faults + (output_name_faults("y", targets) if len(targets) > 1 else [])


def shape_faults(arrays: Mapping[str, HasShape], x: Sequence[str], y: Keys, weight: Any) -> list[Fault]:
    """Return the faults of shapes and types.

    Args:
        arrays: by key, each with at least one axis.
        x: the keys of the inputs.
        y: the key of the target, or of several.
        weight: the key of the examples' weights, by target if they are several's own, or None.
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
            way_out = (
                " Texts beside arrays: give the model their ids." if arrays[key].dtype.kind in "US" else ""
            )
            faults.append(("x", f"array {key!r} is of type {arrays[key].dtype}; expected numbers.{way_out}"))
    for argument, key in roles((), y, weight):
        kind, shape = arrays[key].dtype.kind, arrays[key].shape
        if argument == "y" and kind not in "fiubUS":
            faults.append(("y", f"array {key!r} is of type {arrays[key].dtype}; expected numbers or text."))
        if argument == "weight" and (kind not in "fiu" or len(shape) != 1):
            text = f"array {key!r} is {arrays[key].dtype} {list(shape)}; expected one number an example."
            faults.append(("weight", text))
    return faults


def value_faults(
    arrays: Mapping[str, Rows], x: Sequence[str], y: Keys, weight: Any, rows: Mapping[str, int] | None = None
) -> list[Fault]:
    """Return the faults of the values; a mapped array's checksum is verified meanwhile.

    Args:
        arrays, x, y, weight: as in `shape_faults`.
        rows: part -> its examples, where the parts were handed over apart and stand one after another.

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
                f"{_place(first, rows or {})}. Fill or drop them; float32 holds numbers up to {LARGEST:g}."
            )
            faults.append((argument, message))
    if not faults:
        faults += [
            ("weight", f"array {key!r}: expected weights of at least 0, not all 0.")
            for _, key in roles((), (), weight)
            if arrays[key].min() < 0 or arrays[key].max() == 0
        ]
    return faults


def _place(example: int, rows: Mapping[str, int]) -> str:
    """Return an example's number, within its part if there are parts."""
    for part, count in rows.items():
        if example < count:
            return f"{example} of {part}"
        example -= count
    return str(example)


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
