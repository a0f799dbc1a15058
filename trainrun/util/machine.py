"""How much memory there still is, as far as the system tells."""

from __future__ import annotations

import os
from pathlib import Path


def free(meminfo: Path = Path("/proc/meminfo"), control: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the bytes of memory that this process may still take, a container's limit included; None: unknown."""
    found = []
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    try:
        limit = (control / "memory.max").read_text().strip()
        if limit != "max":
            used = int((control / "memory.current").read_text()) - _cached(control)
            found.append(max(int(limit) - used, 0))
    except (OSError, ValueError):
        pass
    return min(found, default=None)


def _cached(control: Path) -> int:
    """Return the bytes of files that the kernel gives back when somebody needs the memory."""
    try:
        lines = (control / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
