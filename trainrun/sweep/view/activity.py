"""All that runs below a folder, by the journals alone: position, pace, history, and the requests to stop or prune it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.run import prune_request
from trainrun.sweep import sweep_record
from trainrun.sweep.trial import RUNNING
from trainrun.sweep.view import trial_table
from trainrun.sweep.view.followed import mark_dead
from trainrun.tracking import find, history, journal, status
from trainrun.tracking.system_metrics import PREFIX
from trainrun.util import liveness, redaction

RECENT = 5  # epochs whose median duration is the pace
SEARCH_INTERVAL_S = 3.0
_DATE = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_(?=\w)")


class LiveRun:
    """One run or trial, followed by its journal.

    Args:
        run_dir: its directory.
        varying: of a trial, the keys that its sweep varies: others are not shown; None: all are.

    Attributes:
        name: its id, or ``SWEEP/TRIAL``.
        start: the start record of its last attempt.
        status: RUNNING, or how it has ended.
        history: metric -> one value an epoch.
        system: its newest system metrics, without their prefix; empty before the first.
    """

    def __init__(self, run_dir: Path, varying: frozenset[str] | None = None):
        self.run_dir, self.name, self._varying = run_dir, find.name_of(run_dir), varying
        self.start: Mapping[str, Any] = {}
        self.status, self.history, self.epochs, self.system = RUNNING, {}, 0, {}
        self._tail = journal.Tail(run_dir / status.JOURNAL)
        self._records: list[Mapping[str, Any]] = []
        self._times: list[float] = []

    def look(self) -> None:
        """Read what its journal has got."""
        with contextlib.suppress(OSError):  # its directory was removed
            if new := self._tail.read():
                self._records += [r for r in new if r["kind"] in ("start", "epoch", "end")]
                for sample in [r for r in new if r["kind"] == "system"][-1:]:
                    self.system = {
                        k.removeprefix(PREFIX): v for k, v in (sample.get("metrics") or {}).items()
                    }
                past = history.replay(self._records)
                self.start = past["attempts"][-1] if past["attempts"] else {}
                self.status = RUNNING if past["end"] is None else str(past["end"].get("status") or "UNKNOWN")
                self.history, self.epochs = past["history"], max(past["epochs"], default=0)
                self._times = [e["time"] for e in past["epochs"].values()]

    def settle(self) -> None:
        """Mark it KILLED if its process has died."""
        if self.status == RUNNING:
            mark_dead(self.run_dir, self.start)

    @property
    def total(self) -> int | None:
        """The epochs that are configured, or None."""
        return trial_table.epochs(self.start.get("config")) or None

    @property
    def pace(self) -> float | None:
        """Seconds an epoch, the median of the last ones; None before the second."""
        recent = self._times[-RECENT - 1 :]
        gaps = [b - a for a, b in itertools.pairwise(recent) if b > a]
        return statistics.median(gaps) if gaps else None

    @property
    def left(self) -> float | None:
        """The estimated seconds left, or None."""
        if self.pace is None or self.total is None or self.status != RUNNING:
            return None
        return max(self.total - self.epochs, 0) * self.pace

    @property
    def setting(self) -> str:
        """Its overrides, of a trial those that its sweep varies; without secrets."""
        overrides = [str(o) for o in self.start.get("overrides") or []]
        if self._varying is not None:
            overrides = sweep_record.varied(overrides, self._varying)
        return " ".join(redaction.words(overrides)) or "default"

    @property
    def short(self) -> str:
        """Its name without the date of the directory that trainrun makes."""
        return _DATE.sub("", self.name)

    @property
    def gpu(self) -> float | None:
        """Per cent of the busiest GPU of its machine; None: there is none."""
        busy = [
            v
            for k, v in self.system.items()
            if k.startswith("gpu_") and k.endswith("_utilization_percentage")
        ]
        return max(busy, default=None)

    @property
    def pid(self) -> int | None:
        """Its process on this machine, as long as that lives; None: it is elsewhere, or not known for sure."""
        known = isinstance(self.start.get("process"), str)  # without the mark, a number may be anybody's
        return self.start["pid"] if known and liveness.lives(self.start) else None


class Activity:
    """What runs below a folder, and what has ended since it was first looked at.

    Args:
        outputs: the folder.
    """

    def __init__(self, outputs: str | Path):
        self.outputs, self.runs = Path(outputs), {}
        self._sizes: dict[Path, int] = {}  # of the journals of runs that had ended
        self._searched = float("-inf")

    def look(self) -> list[LiveRun]:
        """Return the runs, those that run first, in the order of their beginnings."""
        if time.monotonic() - self._searched >= SEARCH_INTERVAL_S:
            self._searched = time.monotonic()
            self._search()
            for run in self.runs.values():
                run.settle()
        for run in self.runs.values():
            run.look()
        return sorted(self.runs.values(), key=lambda r: (r.status != RUNNING, r.start.get("time") or 0.0))

    def _search(self) -> None:
        for run_dir in find.run_dirs(self.outputs):
            if run_dir in self.runs:
                continue
            with contextlib.suppress(OSError):
                size = (run_dir / status.JOURNAL).stat().st_size
                if self._sizes.get(run_dir) == size:  # it has not been resumed
                    continue
                if status.settle(run_dir).status == RUNNING:
                    self.runs[run_dir] = LiveRun(run_dir, _varying(run_dir))
                else:
                    self._sizes[run_dir] = (run_dir / status.JOURNAL).stat().st_size


def _varying(run_dir: Path) -> frozenset[str] | None:
    sweep_dir = find.sweep_of(run_dir)
    with contextlib.suppress(UserError):
        return None if sweep_dir is None else sweep_record.read(sweep_dir)["settings"]["varying"]
    return None


def stop(run: LiveRun) -> str:
    """Send SIGTERM to the process of a run, which saves its state; return what was done.

    Raises:
        UserError: the process is on another machine, or has ended.
    """
    return _terminate(run.pid, run.name)


def stop_sweep(run: LiveRun) -> str:
    """Send SIGTERM to the process of a trial's sweep, which stops its trials; return what was done.

    Raises:
        UserError: it is no trial, or the sweep has ended, or its process is on another machine.
    """
    sweep_dir = find.sweep_of(run.run_dir)
    if sweep_dir is None:
        raise UserError(f"{run.name} is no trial of a sweep.")
    sweep = LiveRun(sweep_dir)
    sweep.look()
    if sweep.status != RUNNING:
        raise UserError(f"{sweep_dir.name} has ended.")
    return _terminate(sweep.pid, sweep_dir.name)


def prune(run: LiveRun) -> str:
    """Request that a trial ends as pruned after its epoch; return what was done.

    Raises:
        UserError: it is no trial, or its directory cannot be written.
    """
    if find.sweep_of(run.run_dir) is None:
        raise UserError(f"{run.name} is no trial of a sweep: stop it instead.")
    if run.status != RUNNING:
        raise UserError(f"{run.name} has ended.")
    try:
        prune_request.write(run.run_dir)
    except OSError as error:
        raise UserError(f"{run.run_dir} cannot be written: {error}") from error
    return f"{run.name} is pruned after its epoch"


def _terminate(pid: int | None, name: str) -> str:
    if pid is None:
        raise UserError(f"the process of {name} does not run on this machine (or in this container).")
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError as error:
        raise UserError(f"{name} cannot be stopped: {error}") from error
    return f"{name} saves its state and ends"
