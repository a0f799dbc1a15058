"""Arrays that are kept in temporary files instead of memory, for tables that are larger than it."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING

from trainrun.data.lazy_array import View
from trainrun.errors import Problem, UserError, first_line
from trainrun.util import paths, threads

if TYPE_CHECKING:
    import numpy as np

# Tables of more bytes of numbers (float64) are not held in memory.
LARGE = 64 * 2**20
# Bytes of one file, unless an array is larger.
FILE = 256 * 2**20
# Bytes of a number, and of the beginning of an array.
ITEM, ALIGNMENT = 8, 64
# Bytes that a thread copies at once.
COPIED = 2**20
# Blocks that are put together into one.
AT_ONCE = 1024
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
        self._file: IO[bytes] | None = None
        self._map: mmap.mmap | None = None
        self._end = 0
        self._lock = threading.Lock()

    def put(self, *parts: np.ndarray | View) -> np.ndarray:
        """Return the values of arrays, one after another, as an array in a file; of a view, what it makes, some rows at a time.

        Args:
            parts: of one type and shape of examples.

        Raises:
            UserError: there is no room.
        """
        import numpy as np

        size = sum(values.nbytes for values in parts)
        if not size:
            return np.asarray(parts[0])
        dtype = parts[0].dtype
        with self._lock:
            start = -(-self._end // ALIGNMENT) * ALIGNMENT
            if self._map is None or start + size > len(self._map):
                (self._file, self._map), start = _mapped(max(FILE, size)), 0
            self._end = start + size
            file, flat = self._file, np.frombuffer(self._map, dtype, size // dtype.itemsize, start)
        _write(file.fileno(), start, parts)
        return flat.reshape(-1, *parts[0].shape[1:])


class Appended:
    """Rows of an array that come block by block, their number unknown: in memory, and in a file without a name once they are many.

    Attributes:
        in_file: whether some are in a file.
        nbytes: of all of them.
    """

    def __init__(self) -> None:
        self.in_file, self.nbytes = False, 0
        self._blocks: list[np.ndarray] = []
        # To be put together: an array of one example takes more room than its numbers.
        self._last: list[np.ndarray] = []
        self._first: np.ndarray | None = None
        self._bytes = self._rows = 0
        self._file: IO[bytes] | None = None

    def add(self, block: np.ndarray) -> str | None:
        """Append rows; return what keeps them from it, or None.

        Args:
            block: `[n, …]`, numbers, or texts as objects.

        Raises:
            UserError: there is no room.
        """
        import numpy as np

        first = self._first = block[:0] if self._first is None else self._first
        if block.shape[1:] != first.shape[1:]:
            way_out = "Pad or resize the examples to one shape."
            return f"has the shape {list(block.shape[1:])}, the first one {list(first.shape[1:])}. {way_out}"
        if block.dtype != first.dtype:
            if not np.can_cast(block.dtype, first.dtype, "same_kind"):
                return f"is {block.dtype}, the first one {first.dtype}. Give all of them one type."
            block = block.astype(first.dtype)
        self._rows += len(block)
        self._bytes += block.nbytes
        self.nbytes += block.nbytes
        self._last.append(block)
        if len(self._last) == AT_ONCE:
            self._blocks, self._last = [*self._blocks, np.concatenate(self._last)], []
        if self._bytes > LARGE and block.dtype != "object":
            self._write()
        return None

    def array(self) -> np.ndarray:
        """Return all rows."""
        import numpy as np

        if self._file is None:
            whole = np.concatenate([*self._blocks, *self._last])
            return whole.astype("str") if whole.dtype == "object" else whole
        self._write()
        self._file.flush()
        content = mmap.mmap(self._file.fileno(), 0)
        self._file.close()
        return np.frombuffer(content, self._first.dtype).reshape(self._rows, *self._first.shape[1:])

    def _write(self) -> None:
        """Move the rows to the file."""
        try:
            if self._file is None:
                self._file, self.in_file = tempfile.TemporaryFile(dir=folder()), True  # noqa: SIM115
            for block in [*self._blocks, *self._last]:
                self._file.write(block.tobytes())
        except OSError as error:
            raise no_room(error) from error
        self._blocks, self._last, self._bytes = [], [], 0


def _write(file: int, at: int, parts: Sequence[np.ndarray | View]) -> None:
    """Write arrays, or what views make, to a file from a place on.

    Not by its mapping: to fill its pages there takes four times as long as this.

    Raises:
        UserError: there is no room.
    """
    import numpy as np

    jobs = []
    for values in parts:
        rows = max(1, COPIED * len(values) // max(values.nbytes, 1))
        for first in range(0, len(values), rows):
            jobs.append((values, slice(first, first + rows), at + values.nbytes * first // len(values)))
        at += values.nbytes

    def write(job: tuple[np.ndarray | View, slice, int]) -> None:
        values, some, at = job
        write_all(file, np.ascontiguousarray(values[some]), at)

    try:
        threads.each(write, jobs)
    except OSError as error:
        raise no_room(error) from error


def write_all(file: int, values: np.ndarray, at: int) -> None:
    """Write a contiguous array to a file from a place on."""
    content = memoryview(values.view("uint8").reshape(-1))
    while content:
        written = os.pwrite(file, content, at)
        content, at = content[written:], at + written


def _mapped(size: int) -> tuple[IO[bytes], mmap.mmap]:
    """Return a new file of so many bytes without a name, and its mapping, with which it is closed; its room is taken at once.

    Raises:
        UserError: there is no room.
    """
    try:
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile(dir=folder()))
            paths.reserve(file.fileno(), size)
            content = mmap.mmap(file.fileno(), size)
            weakref.finalize(content, opened.pop_all().close)
    except OSError as error:
        raise no_room(error) from error
    return file, content


def no_room(error: OSError) -> UserError:
    """Return the error of a write as that of the user."""
    message = (
        f"the data is too large to be held in memory, and there is no room for a temporary file in {folder()}: {first_line(error)}. "
        "Make room there, or set TMPDIR to a folder with room."
    )
    return UserError(Problem("data", message))
