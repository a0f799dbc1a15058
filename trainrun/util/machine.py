"""Cores and memory of this machine, or of the container that this process runs in."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path


def cores() -> int:
    """Return the cores that this process may use."""
    import psutil  # 15 ms; a config that is only checked or shown does without

    if hasattr(psutil.Process, "cpu_affinity"):  # not on macOS
        return len(psutil.Process().cpu_affinity())
    return psutil.cpu_count() or 1


def total_memory() -> int:
    """Return the machine's memory in bytes."""
    import psutil

    return psutil.virtual_memory().total


def available_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of memory that this process may still take.

    Args:
        cgroup: folder of the container's limits, which psutil does not read.
    """
    import psutil

    available = psutil.virtual_memory().available
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit != "max":
            used = int((cgroup / "memory.current").read_text()) - _file_cache(cgroup)
            available = min(available, max(int(limit) - used, 0))
    except (OSError, ValueError):
        pass
    return available


def resident_memory() -> int:
    """Return the bytes of memory that this process holds."""
    import psutil

    return psutil.Process().memory_info().rss


def _file_cache(cgroup: Path) -> int:
    """Return the bytes of cached files, which the kernel frees when memory is needed."""
    try:
        lines = (cgroup / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0


def release_freed_memory() -> None:
    """Return freed memory to the system: glibc keeps what lies between pieces that are in use."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
