"""Whether the process that wrote a record is still running. Clocks may jump, and process ids are reused."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil


def identity() -> dict[str, Any]:
    """Return fields that identify this process uniquely, for the journal's `start` record."""
    return {"host": platform.node(), "pid": os.getpid(), "process": _mark(os.getpid())}


def lives(start: Mapping[str, Any]) -> bool | None:
    """Return whether the process of a `start` record still runs; None if it belongs to another machine."""
    if start.get("host") != platform.node():
        return None if start.get("host") else False
    pid = start.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False  # ended, and not yet waited for by its parent
        then, now = start.get("process"), _mark(pid)
        if then is not None and now is not None:
            return then == now
        return process.create_time() <= start.get("time", 0.0) + 1.0  # of a journal without the mark
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's
        return True


def _mark(pid: int) -> str | None:
    """Return the machine's boot id and the process's start in clock ticks, where Linux gives them.

    psutil's `create_time` is no substitute: it is a time of the clock, which may be set while the process runs.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # Behind the program's name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return f"{boot}/{fields[19]}"


def oom_kills() -> int | None:
    """Return the number of out-of-memory kills on this machine since it booted; None if unknown."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, StopIteration, ValueError):
        return None
