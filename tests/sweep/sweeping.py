"""What tests of sweeps share: quiet settings, a sweep in this process or in one of its own, and what it has left."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

from trainrun.cli import main

QUIET = [
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    "artifacts.model=false",
    "data=iris",
]


def trainrun(folder, *words):
    """Run a command line in a folder, in this process: its sweeps share one fork server, which has TensorFlow.

    Returns:
        What `subprocess.run` would return.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, words)])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def begun(folder, *words):
    """Begin a command line in a folder, in a process of its own: to be killed."""
    command = [sys.executable, "-m", "trainrun", *map(str, words)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def only_sweep(folder):
    (sweep,) = (Path(folder) / "outputs" / "sweeps").iterdir()
    return sweep


def rows_of(sweep):
    with open(sweep / "leaderboard.csv", newline="", encoding="utf-8") as file:
        return {int(row["trial"]): row for row in csv.DictReader(file)}


def summaries(sweep):
    return {
        int(p.parent.name): json.loads(p.read_text())
        for p in sorted(sweep.glob("*/summary.json"))
        if p.parent.name.isdigit()
    }


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, process=None, seconds=240):
    """Wait until a condition holds, at most so many seconds; `process` must live meanwhile."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"the condition did not hold within {seconds} s"
        assert process is None or process.poll() is None, f"the process exited with {process.returncode}"
        time.sleep(0.05)
