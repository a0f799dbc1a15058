"""Arrays that are kept in temporary files instead of memory, for tables that are larger than it."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainrun.data.lazy_array import View, blocks
from trainrun.errors import Problem, UserError, first_line

if TYPE_CHECKING:
    import numpy as np

# Tables of more bytes of numbers (float64) are not held in memory.
LARGE = 256 * 2**20
# Bytes of one file, unless an array is larger; only what is written takes room.
FILE = 256 * 2**20
# Bytes of a number, and of the beginning of an array.
ITEM, ALIGNMENT = 8, 64
# Where temporary files go unless TMPDIR is set: /tmp is often a file system in memory.
ON_DISK = "/var/tmp"

# Returns the same values, in memory or in a file.
Store = Callable[["np.ndarray"], "np.ndarray"]


def in_memory(values: np.ndarray) -> np.ndarray:
    """Return an array as it is: the `Store` of a table that fits into memory."""
    return values


def folder() -> str:
    """Return the folder of temporary files."""
    on_disk = os.path.isdir(ON_DISK) and os.access(ON_DISK, os.W_OK)
    return ON_DISK if on_disk and "TMPDIR" not in os.environ else tempfile.gettempdir()


class Spool:
    """Keeps arrays in files that have no name, so that they are gone when the arrays are, or when the process is killed."""

    def __init__(self) -> None:
        self._file: Any = None
        self._map: mmap.mmap | None = None
        self._end = 0

    def put(self, values: np.ndarray | View) -> np.ndarray:
        """Return the values as a read-only array in a file; of a view, what it makes, some rows at a time.

        Raises:
            UserError: there is no room.
        """
        import numpy as np

        if not values.nbytes:
            return np.asarray(values)
        try:
            start = self._room(values.nbytes)
            self._file.seek(start)
            for _, block in blocks(values):
                self._file.write(np.ascontiguousarray(block).data)
            self._file.flush()
        except OSError as error:
            message = (
                f"the table is larger than is held in memory, and cannot be kept in a temporary file in {folder()}: "
                f"{first_line(error)}. Make room there, or set TMPDIR to a folder with room."
            )
            raise UserError(Problem("data.path", message)) from error
        flat = np.frombuffer(self._map, values.dtype, values.nbytes // values.dtype.itemsize, start)
        return flat.reshape(values.shape)

    def _room(self, size: int) -> int:
        """Return where so many bytes begin in the file, which is a new one if they do not fit into the last."""
        start = -(-self._end // ALIGNMENT) * ALIGNMENT
        if self._map is None or start + size > len(self._map):
            file = tempfile.TemporaryFile(dir=folder())  # noqa: SIM115 closed with the last array
            file.truncate(max(FILE, size))
            self._file, start = file, 0
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._end = start + size
        return start
