"""Read .npz files: shapes and types, the arrays themselves, and their faults."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from trainrun.data._columns import LARGEST, TASKS
from trainrun.data._mapped import Mapped
from trainrun.data.lazy_array import Rows, blocks
from trainrun.errors import did_you_mean
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np

KINDS = ("numeric", "image", "tokens", "categorical")
# Larger inputs, in bytes, are memory-mapped if the file is not compressed.
MAPPED_FROM = 16 * 2**20

# Exceptions that a damaged or foreign zip file may raise; RuntimeError for an encrypted entry or an unknown compression method.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    OverflowError,
)

Fault = tuple[str, str]


class Array(NamedTuple):
    """Metadata of an array in the file.

    Args:
        shape, dtype: of the array.
        fortran: whether it is stored in Fortran order.
        header: length of its .npy header in bytes.
        entry: its entry in the zip file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    header: int
    entry: zipfile.ZipInfo

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_mapped(self) -> bool:
        """Whether the array is large and its rows can be mapped: it is neither compressed nor in Fortran order."""
        stored = self.entry.compress_type == zipfile.ZIP_STORED and not self.entry.flag_bits & 1
        return stored and not self.fortran and self.bytes > MAPPED_FROM


def headers(
    path: str | None, x: str, y: str, weight: str | None, kind: str | None, task: str
) -> tuple[dict[str, Array], list[Fault]]:
    """Return the metadata of each array, without reading the arrays, and the faults so far."""
    import numpy as np

    faults: list[Fault] = []
    if kind is not None and kind not in KINDS:
        faults.append(
            (
                "kind",
                f"expected null or one of {', '.join(KINDS)}, got {kind!r}.{did_you_mean(str(kind), KINDS)}",
            )
        )
    if task not in TASKS:
        faults.append(
            ("task", f"expected one of {', '.join(TASKS)}, got {task!r}.{did_you_mean(str(task), TASKS)}")
        )
    fault = paths.fault(path, ".npz", "data.path=my_data.npz")
    if fault:
        return {}, [*faults, ("path", fault)]
    where = paths.expanded(path)
    sizes_there: dict[str, int] = {}
    shapes: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(where) as archive:
            for entry in archive.infolist():
                name = entry.filename
                if not name.endswith(".npy"):
                    continue
                with archive.open(entry) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, fortran, dtype = read(file)
                    shapes[name.removesuffix(".npy")] = Array(shape, dtype, fortran, file.tell(), entry)
                    sizes_there[name.removesuffix(".npy")] = entry.file_size - file.tell()
    except DAMAGED as error:
        return {}, [
            *faults,
            (
                "path",
                f"{where} is no .npz file, or is damaged: {_first_line(error)}. Write it with numpy.savez(path, x=…, y=…).",
            ),
        ]
    for argument, key in (("x", x), ("y", y), ("weight", weight)):
        if key is None:
            continue
        if key not in shapes:
            faults.append(
                (
                    argument,
                    f"{where} has no array {key!r}.{did_you_mean(key, shapes)} It has {', '.join(shapes) or 'none'}.",
                )
            )
        elif shapes[key][1].hasobject:
            faults.append(
                (
                    argument,
                    f"array {key!r} holds Python objects, which are never loaded. Save plain numbers or text.",
                )
            )
        elif not shapes[key][0]:
            faults.append((argument, f"array {key!r} is a single value; expected one for each example."))
        elif (needed := math.prod(shapes[key][0]) * shapes[key][1].itemsize) != sizes_there[key]:
            faults.append(
                (
                    argument,
                    f"{where} is damaged: array {key!r} is said to have the shape {list(shapes[key][0])}, {needed:,} bytes; "
                    f"{sizes_there[key]:,} are there. Write it anew.",
                )
            )
        elif not (key == x and shapes[key].is_mapped) and (too_large := paths.room(needed)):
            faults.append((argument, f"array {key!r}: {too_large}. Save a part of it."))
    if faults:
        return shapes, faults
    n = shapes[x][0][0]
    if 0 in shapes[x][0]:
        faults.append(("x", f"array {x!r} holds no examples: its shape is {list(shapes[x][0])}."))
    faults += [
        (argument, f"array {key!r} has {shapes[key][0][0]} examples, {x!r} has {n}.")
        for argument, key in (("y", y), ("weight", weight))
        if key is not None and shapes[key][0][0] != n
    ]
    if shapes[x][1].kind not in "fiub":
        faults.append(("x", f"array {x!r} is of type {shapes[x][1]}; expected numbers."))
    if shapes[y][1].kind not in "fiubUS":
        faults.append(("y", f"array {y!r} is of type {shapes[y][1]}; expected numbers or text."))
    if weight is not None and (shapes[weight][1].kind not in "fiu" or len(shapes[weight][0]) != 1):
        faults.append(
            (
                "weight",
                f"array {weight!r} is {shapes[weight][1]} {list(shapes[weight][0])}; expected one number an example.",
            )
        )
    return shapes, faults


def load(
    path: str, x: str, others: list[str], known: dict[str, Array]
) -> tuple[dict[str, Rows], list[Fault]]:
    """Return the arrays; large inputs are memory-mapped.

    Args:
        path: the file.
        x: the inputs' key.
        others: the keys of targets and weights, which are read into memory.
        known: the metadata that `headers` returned.
    """
    import numpy as np

    try:
        arrays: dict[str, Rows] = {}
        if known[x].is_mapped:
            array = known[x]
            arrays[x] = Mapped.of(paths.expanded(path), array.entry, array.header, array.shape, array.dtype)
        with np.load(paths.expanded(path), allow_pickle=False) as file:
            return arrays | {k: file[k] for k in (x, *others) if k not in arrays}, []
    except MemoryError as error:
        return {}, [("path", f"{path} does not fit into memory: {_first_line(error)}. Save a part of it.")]
    except DAMAGED as error:
        return {}, [("path", f"{path} is damaged: {_first_line(error)}. Write it anew.")]


def _first_line(error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return text.partition(": <ast.")[0]  # cut the node's address from an error of `ast.literal_eval`


def value_faults(path: str, arrays: dict[str, Rows], x: str, y: str, weight: str | None) -> list[Fault]:
    """Return the faults of the values; a mapped array's checksum is verified meanwhile."""
    faults = []
    for argument, key in (("x", x), ("y", y), ("weight", weight)):
        if key is None or (arrays[key].dtype.kind != "f" and not isinstance(arrays[key], Mapped)):
            continue
        try:
            count, first = _not_finite(arrays[key])
        except ValueError as error:
            return [("path", f"{path} is damaged: {_first_line(error)}. Write it anew.")]
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
