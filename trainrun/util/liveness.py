"""Whether the process that wrote a record is still running. Clocks may jump, process ids are reused, hosts get new names."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def identity() -> dict[str, Any]:
    """Return fields that identify this process uniquely, for the journal's `start` record and for locks."""
    return {
        "host": platform.node(),
        "pid": os.getpid(),
        "process": _mark(os.getpid()),
        "pid_namespace": _pid_namespace(),
    }


def lives(start: Mapping[str, Any]) -> bool | None:
    """Return whether the process of a `start` record still runs.

    Args:
        start: with the fields of `identity`.

    Returns:
        None: its process id means nothing here: it belongs to another machine or container.
    """
    here = platform.node() == start.get("host")
    if not start.get("host"):
        return False
    if start.get("process") and (boot := _boot_id()) is not None:
        if str(start["process"]).partition("/")[0] != boot:
            return False if here else None  # this machine was started again; or it is another one
        if start.get("pid_namespace") != _pid_namespace():
            return None
    elif not here:
        return None
    pid = start.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    import psutil  # 8 ms, and most commands only look for runs

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


def same_kernel(start: Mapping[str, Any]) -> bool:
    """Return whether a record's process ran on this machine since its last boot, whatever its host name: locks are visible then."""
    boot = _boot_id()
    return boot is not None and str(start.get("process")).partition("/")[0] == boot


def same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two records are from the same machine and boot, and from the same container."""

    def place(record: Mapping[str, Any]) -> tuple[Any, ...]:
        return record.get("host"), str(record.get("process")).partition("/")[0], record.get("pid_namespace")

    return place(one) == place(other)


def _mark(pid: int) -> str | None:
    """Return the machine's boot id and the process's start in clock ticks, where Linux gives them.

    psutil's `create_time` is no substitute: it is a time of the clock, which may be set while the process runs.
    """
    boot = _boot_id()
    try:
        # Behind the program's name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return boot and f"{boot}/{fields[19]}"


def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _pid_namespace() -> str | None:
    """Return what numbers of processes count in: each container has its own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def oom_kills() -> int | None:
    """Return the number of out-of-memory kills on this machine since it booted; None if unknown."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, StopIteration, ValueError):
        return None
