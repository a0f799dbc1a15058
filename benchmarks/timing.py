"""What benchmarks time: calls in this process, and commands of trainrun as processes of their own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def medians(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return each call's median seconds over interleaved repeats, after one to warm up."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat:
                took[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def trainrun(
    folder: Path, *words: str, may_fail: bool = False, timeout_s: float | None = None
) -> tuple[int, float, str]:
    """Run a command of trainrun in a folder; return exit code, seconds and output.

    Raises:
        SystemExit: it failed, and may not.
        subprocess.TimeoutExpired: it took longer than `timeout_s`.
    """
    begin = time.perf_counter()
    command = [sys.executable, "-m", "trainrun", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    seconds, output = time.perf_counter() - begin, done.stdout + done.stderr
    if done.returncode and not may_fail:
        raise SystemExit(f"trainrun {' '.join(words)} failed:\n{output[-3000:]}")
    return done.returncode, seconds, output
