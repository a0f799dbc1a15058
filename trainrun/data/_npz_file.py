"""Read .npz files: shapes and types, the arrays themselves, and their faults."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from trainrun.data._array_faults import key_faults, roles, shape_faults
from trainrun.data._faults import Fault
from trainrun.data._mapped import Mapped
from trainrun.data.lazy_array import Rows
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np

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
    path: str | None, x: Sequence[str], y: Sequence[str], weight: Any
) -> tuple[dict[str, Array], list[Fault]]:
    """Return the metadata of each array, without reading the arrays, and the faults so far.

    Args:
        path: the file.
        x: the keys of the inputs.
        y: the keys of the targets.
        weight: the key of the examples' weights, by target if they are several's own, or None.
    """
    fault = paths.fault(path, ".npz", "data.path=my_data.npz")
    if fault:
        return {}, [("path", fault)]
    where = paths.expanded(path)
    shapes: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(where) as archive:
            for entry in archive.infolist():
                name = entry.filename
                if not name.endswith(".npy"):
                    continue
                with archive.open(entry) as file:
                    shape, fortran, dtype = _header(file)
                    shapes[name.removesuffix(".npy")] = Array(shape, dtype, fortran, file.tell(), entry)
    except DAMAGED as error:
        return {}, [
            (
                "path",
                f"{where} is no .npz file, or is damaged: {first_line(error)}. Write it with numpy.savez(path, x=…, y=…).",
            )
        ]
    faults = key_faults(x, y, weight, shapes, f"{where} has no array")
    for argument, key in roles(x, y, weight):
        if (array := shapes.get(key)) is None:
            continue
        if array.dtype.hasobject:
            faults.append(
                (
                    argument,
                    f"array {key!r} holds Python objects, which are never loaded. Save plain numbers or text.",
                )
            )
        elif not array.shape:
            faults.append((argument, f"array {key!r} is a single value; expected one for each example."))
        elif array.bytes != (present := array.entry.file_size - array.header):
            faults.append(
                (
                    argument,
                    f"{where} is damaged: array {key!r} is said to have the shape {list(array.shape)}, {array.bytes:,} bytes; "
                    f"{present:,} are there. Write it anew.",
                )
            )
        elif not (key in x and array.is_mapped) and (too_large := paths.room(array.bytes)):
            faults.append((argument, f"array {key!r}: {too_large}. Save a part of it."))
    return shapes, faults or shape_faults(shapes, x, y, weight)


def load(
    path: str, x: Sequence[str], others: Sequence[str], known: dict[str, Array]
) -> tuple[dict[str, Rows], list[Fault]]:
    """Return the arrays; large inputs are memory-mapped.

    Args:
        path: the file.
        x: the keys of the inputs.
        others: the keys of targets and weights, which are read into memory.
        known: the metadata that `headers` returned.
    """
    import numpy as np

    try:
        arrays: dict[str, Rows] = {}
        for key in x:
            if (array := known[key]).is_mapped:
                mapped = Mapped.of(paths.expanded(path), array.entry, array.header, array.shape, array.dtype)
                arrays[key] = mapped
        with np.load(paths.expanded(path), allow_pickle=False) as file:
            return arrays | {k: file[k] for k in (*x, *others) if k not in arrays}, []
    except MemoryError as error:
        return {}, [("path", f"{path} does not fit into memory: {first_line(error)}. Save a part of it.")]
    except DAMAGED as error:
        return {}, [("path", damaged(path, error))]


class Stream:
    """An array of a file that is read in order, some rows at a time: whether it is compressed or not, memory stays constant.

    Args:
        file: its opened entry in the zip file.

    Raises:
        ValueError: it has Python objects; further ones of `DAMAGED`.
    """

    def __init__(self, file: zipfile.ZipExtFile) -> None:
        import numpy as np

        self.shape, fortran, self.dtype = _header(file)
        if self.dtype.hasobject:
            raise ValueError(f"{file.name} holds Python objects, which are never loaded")
        self._file = file
        self._rest: np.ndarray | None = None
        if fortran:
            file.seek(0)
            self._rest = np.lib.format.read_array(file)

    def take(self, count: int) -> np.ndarray:
        """Return the next rows, at most `count`.

        Raises:
            ValueError: the array is shorter than its header says; further ones of `DAMAGED`.
        """
        import numpy as np

        if self._rest is not None:
            rows, self._rest = self._rest[:count], self._rest[count:]
            return rows
        each = self.shape[1:]
        content = self._file.read(count * math.prod(each) * self.dtype.itemsize)
        rows = np.frombuffer(content, self.dtype).reshape(-1, *each)
        return rows.astype(self.dtype.newbyteorder("="), copy=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether it is stored in Fortran order, and type of the array that an .npy file begins with."""
    import numpy as np

    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def damaged(path: str, error: BaseException) -> str:
    """Return the message for a file whose bytes are not those that were written."""
    return f"{path} is damaged: {first_line(error)}. Write it anew."


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, its type if it has none."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return text.partition(": <ast.")[0]  # cut the node's address from an error of `ast.literal_eval`
