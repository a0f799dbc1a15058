"""What became of a run, read from its directory: the journal's word, and whether its process still lives."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import journal
from trainrun.tracking.record import JOURNAL


class RunStatus(NamedTuple):
    """What became of a run.

    Args:
        status: FINISHED, FAILED, KILLED, PRUNED or RUNNING; UNKNOWN if the directory does not tell.
        reason: why, if something went wrong.
        start: the journal's first record, or an empty dict.
        epochs: epochs done.
        metrics: of the last epoch, and the final ones.
        mlflow: `tracking_uri`, `experiment_id` and `run_id`, or None.
    """

    status: str
    reason: str | None
    start: dict[str, Any]
    epochs: int
    metrics: dict[str, float]
    mlflow: dict[str, str] | None


def status(run_dir: str | Path) -> RunStatus:
    """Return what the run directory says.

    A run without an end whose process is gone was KILLED: nobody was left to write it down. The process of a
    run on another machine cannot be seen; such a run counts as RUNNING.
    """
    path = Path(run_dir) / JOURNAL
    records = journal.read(path).records if path.is_file() else []
    start: dict[str, Any] = {}
    end: dict[str, Any] | None = None
    mlflow: dict[str, str] | None = None
    metrics: dict[str, float] = {}
    epochs = 0
    for record in records:
        kind = record["kind"]
        if kind == "start":
            start, end = record, None  # a resumed run has several
        elif kind == "end":
            end = record
        elif kind == "event" and record.get("event") == "tracking":
            mlflow = {k: record[k] for k in ("tracking_uri", "experiment_id", "run_id") if k in record}
        elif kind in ("epoch", "metrics"):
            metrics |= record.get("metrics") or {}
            epochs = max(epochs, record.get("epoch") or 0)
    if end is not None:
        word, reason = end.get("status", "UNKNOWN"), end.get("reason")
    elif not start:
        word, reason = "UNKNOWN", "its journal has no beginning"
    elif start.get("host") != platform.node() or _lives(start.get("pid"), start["time"]):
        word, reason = "RUNNING", None
    else:
        word, reason = "KILLED", "its process ended without a word"
    return RunStatus(word, reason, start, epochs, metrics, mlflow)


def _lives(pid: Any, since: float) -> bool:
    """Return whether the process that wrote at `since` still runs, and not a later one of the same number."""
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    began = _began(pid)
    return began is None or began <= since + 1.0


def _began(pid: int) -> float | None:
    """Return when a process began, in unix seconds, where Linux tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):
        return None
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
