"""A lock on a file: one process at a time holds it, and the file names the holder."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.util import liveness, paths

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

RETRY_INTERVAL_S = 0.1
BUSY = (errno.EACCES, errno.EAGAIN)  # what `flock` answers where another process holds the lock


class FileLock:
    """The right to do something, held through a file; the system releases it however the process ends.

    On a file system without locks (and on Windows) every process gets it; the holder's name is written all the same.

    Args:
        path: the lock file. It is made where there is none, stays, and is no link.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._file: int | None = None

    def acquire(self, patience: float = 0.0, take_over: bool = False) -> bool:
        """Take the lock; return whether that went well.

        Args:
            patience: seconds to wait for another process that holds it.
            take_over: whether to ignore a holder on another machine: the user declares it dead.

        Raises:
            OSError: the file cannot be opened, or is a link.
        """
        until = time.monotonic() + patience
        if take_over:
            # The former holder, if there is one, keeps a file without a name.
            self.path.unlink(missing_ok=True)
        while not self._try():
            if time.monotonic() >= until:
                return False
            time.sleep(RETRY_INTERVAL_S)
        self._write(json.dumps(liveness.identity()) + "\n")
        return True

    def release(self) -> None:
        """Give the lock back; more than once does no harm."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._write("")
                # Closing alone frees it only once a child that was just forked has closed it, too.
                if fcntl is not None:
                    fcntl.flock(self._file, fcntl.LOCK_UN)
            self._close()

    @property
    def held(self) -> bool:
        """Whether a process of this machine holds the lock: this one, or another."""
        if self._file is not None:
            return True
        try:
            file = paths.no_link(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            return not _locked(file, exclusive=False)
        finally:
            os.close(file)

    @property
    def holder(self) -> Mapping[str, Any]:
        """`liveness.identity()` of the process that took the lock and has not given it back; {}: there is none."""
        try:
            content = json.loads(paths.content(self.path) or "{}")
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def owned(self) -> bool:
        """Whether the lock is still this object's: no other process has taken it over."""
        try:
            return self._file is not None and os.path.samestat(os.fstat(self._file), os.lstat(self.path))
        except OSError:
            return False

    def renew(self) -> None:
        """Set the file's time: a heartbeat for other machines."""
        if self._file is not None:
            os.utime(self._file)

    def _try(self) -> bool:
        file = paths.no_link(self.path, os.O_RDWR | os.O_CREAT)
        if not _locked(file, exclusive=True):
            os.close(file)
            return False
        self._file = file
        if not self.owned:  # it was taken over, and removed, between the two lines
            self._close()
            return False
        _locks_of_process().add(self)
        return True

    def _write(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def _close(self) -> None:
        os.close(self._file)
        self._file = None
        _locks_of_process().discard(self)


def in_words(holder: Mapping[str, Any]) -> str:
    """Return a lock's holder for a message: ``process 123 on vm``."""
    return (
        f"process {holder['pid']} on {holder['host']}" if {"pid", "host"} <= {*holder} else "another process"
    )


def _locked(file: int, exclusive: bool) -> bool:
    """Lock an open file, if no other process has; return whether it did."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in BUSY
    return True


@functools.cache
def _locks_of_process() -> weakref.WeakSet[FileLock]:
    """Return the locks that this process holds; a child that is forked, as by a plug-in, does not inherit them."""
    locks: weakref.WeakSet[FileLock] = weakref.WeakSet()

    def drop() -> None:
        for lock in list(locks):
            lock._close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=drop)
    return locks
