"""A file that is read at any position for as long as a run takes, and that must not change meanwhile."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from trainrun.errors import Problem, UserError

# Device, inode, size and time of the last change.
State = tuple[int, int, int, int]


class WatchedFile:
    """A file that is open for reading until nothing refers to it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._state = self.state()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._file

    def state(self) -> State:
        """Return what changes when the file is written to or replaced."""
        return _state(os.fstat(self._file))

    def check(self, state: State | None = None) -> None:
        """Check that the file is as it was.

        Reading a mapped page beyond the end of a truncated file kills the process (SIGBUS); the check takes 1 µs.

        Args:
            state: as it was; None: when it was opened.

        Raises:
            UserError: it was written to.
        """
        if self.state() != (state or self._state):
            raise self._changed()

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file.

        Args:
            start: the position of the first.
            length: how many.

        Raises:
            UserError: the file has become shorter.
        """
        content = os.pread(self._file, length, start)
        while len(content) < length:  # a system call reads 2 GiB at most
            more = os.pread(self._file, length - len(content), start + len(content))
            if not more:
                raise self._changed()
            content += more
        return content

    def _changed(self) -> UserError:
        message = f"{self.path} was written to while it was read. Write to another file and rename it, then run again."
        return UserError(Problem("data.path", message))


def state_of(path: Path) -> State:
    """Return the state of a file without opening it; see `WatchedFile.state`."""
    return _state(path.stat())


def _state(status: os.stat_result) -> State:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
