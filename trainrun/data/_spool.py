"""Arrays that are kept in temporary files instead of memory, for tables that are larger than it."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainrun.data.lazy_array import View, blocks
from trainrun.errors import Problem, UserError, first_line

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Tables of more bytes of numbers (float64) are not held in memory.
LARGE = 64 * 2**20
# Bytes of one file, unless an array is larger.
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
    """Keeps arrays in mapped files that have no name, so that they are gone when the arrays are, or when the process is killed."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._end = 0

    def put(self, values: np.ndarray | View) -> np.ndarray:
        """Return the values as an array in a file; of a view, what it makes, some rows at a time.

        Raises:
            UserError: there is no room.
        """
        import numpy as np

        if not values.nbytes:
            return np.asarray(values)
        start = -(-self._end // ALIGNMENT) * ALIGNMENT
        if self._map is None or start + values.nbytes > len(self._map):
            self._map, start = _mapped(max(FILE, values.nbytes)), 0
        self._end = start + values.nbytes
        flat = np.frombuffer(self._map, values.dtype, values.nbytes // values.dtype.itemsize, start)
        kept = flat.reshape(values.shape)
        for at, block in blocks(values):
            kept[at : at + len(block)] = block
        return kept


def _mapped(size: int) -> mmap.mmap:
    """Return a new file of so many bytes without a name; its room is taken at once, since a mapped page without room is a crash.

    Raises:
        UserError: there is no room.
    """
    try:
        with tempfile.TemporaryFile(dir=folder()) as file:
            os.posix_fallocate(file.fileno(), 0, size)
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise _no_room(error) from error


def arrow_table(batches: pa.RecordBatchReader) -> pa.Table:
    """Return rows that are read one batch after another as a table in a mapped file without a name.

    Raises:
        UserError: there is no room.
    """
    import pyarrow as pa

    with tempfile.TemporaryFile(dir=folder()) as file:
        writer = pa.ipc.new_file(file, batches.schema)
        for batch in batches:
            try:
                writer.write_batch(batch)
            except OSError as error:
                raise _no_room(error) from error
        try:
            writer.close()
            file.flush()
        except OSError as error:
            raise _no_room(error) from error
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.py_buffer(content)).read_all()


def _no_room(error: OSError) -> UserError:
    message = (
        f"the table is too large to be held in memory, and there is no room for a temporary file in {folder()}: {first_line(error)}. "
        "Make room there, or set TMPDIR to a folder with room."
    )
    return UserError(Problem("data.path", message))
