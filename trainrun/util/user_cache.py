"""trainrun's directory in the user's cache, and the version of the code that what lies there was made by."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def folder() -> str:
    """Return trainrun's directory in the user's cache, which need not exist."""
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "trainrun")


def is_private(directory: str) -> bool:
    """Return whether a directory, which is no link, is this user's, and nobody else can enter it."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def code_version() -> list[int]:
    """Return number, bytes and times of change of trainrun's own files, its `conf/` included."""
    statuses = list(_sources(PACKAGE))
    beside = os.path.join(os.path.dirname(PACKAGE), "conf")  # as a checkout has it
    if not os.path.isdir(os.path.join(PACKAGE, "conf")) and os.path.isdir(beside):
        statuses += _sources(beside)
    return [len(statuses), sum(s.st_size for s in statuses), sum(s.st_mtime_ns for s in statuses)]


def _sources(directory: str) -> Iterator[os.stat_result]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _sources(entry.path)
            else:
                yield entry.stat()
