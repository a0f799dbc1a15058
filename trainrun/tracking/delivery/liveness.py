"""Whether the process that wrote a record still lives. Clocks may jump and numbers of processes come again."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def identity() -> dict[str, Any]:
    """Return what tells this process from every other: for the journal's `start` record."""
    return {"host": platform.node(), "pid": os.getpid(), "process": _mark(os.getpid())}


def lives(start: Mapping[str, Any]) -> bool | None:
    """Tell whether the process of a `start` record still runs; None: it is another machine's, which cannot be seen."""
    if start.get("host") != platform.node():
        return None if start.get("host") else False
    pid = start.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # another user's
    if _state(pid) == "Z":
        return False  # dead, and not yet fetched by its parent
    then, now = start.get("process"), _mark(pid)
    if then is not None and now is not None:
        return then == now
    began, since = _began(pid), start.get("time", 0.0)
    return began is None or began <= since + 1.0


def _mark(pid: int) -> str | None:
    """Return the machine's start and the process's own, as the kernel counts it, where Linux tells.

    No clock is in it: one that is set meanwhile would make a living process look like a later one.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    fields = _stat(pid)
    return f"{boot}/{fields[19]}" if fields else None


def _state(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[0] if fields else None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat behind the program's name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _began(pid: int) -> float | None:
    """Return when a process began, in unix seconds, for journals without the mark."""
    fields = _stat(pid)
    try:
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):
        return None
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else None


def oom_kills() -> int | None:
    """Return how often this machine's out-of-memory killer has struck since it began, where Linux tells."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, StopIteration, ValueError):
        return None
