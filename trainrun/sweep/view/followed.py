"""Runs and sweeps of other processes, followed by the files in their directories."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.sweep import sweep_record
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.sweep.view.live_table import Board
from trainrun.tracking import journal, lease, status
from trainrun.util import decimal_digits


def mark_dead(run_dir: Path, start: Mapping[str, Any]) -> None:
    """Mark a run or sweep KILLED if its process has died; one that has not begun stays.

    Args:
        run_dir: its directory.
        start: the start record of its last attempt, or empty.
    """
    if start and lease.alive(run_dir, start) is False:
        with contextlib.suppress(OSError):
            status.settle(run_dir)


class FollowedRun:
    """A run of another process, followed by its journal.

    Args:
        trial: the run; its status, epochs, metrics and config are kept up to date.
    """

    def __init__(self, trial: Trial):
        self.trial = trial
        self.started: float | None = None
        self.end: status.RunStatus | None = None  # of the last attempt, once it has ended
        self._tail = journal.Tail(trial.run_dir / status.JOURNAL)
        self._start: dict[str, Any] = {}

    def look(self) -> dict[str, float] | None:
        """Return the metrics of the newest epoch since the last call, or None."""
        newest = None
        with contextlib.suppress(OSError):  # its directory was removed
            for record in self._tail.read():
                newest = self._take(record) or newest
        return newest

    def settle(self) -> None:
        """Mark the run KILLED if its process has died."""
        if self.trial.status == RUNNING:
            mark_dead(self.trial.run_dir, self._start)

    def _take(self, record: dict[str, Any]) -> dict[str, float] | None:
        trial = self.trial
        if record["kind"] == "start":
            self._start, self.started, self.end = record, record.get("time"), None
            trial.status, trial.reason, trial.config = RUNNING, None, record.get("config") or {}
        elif record["kind"] == "end":
            self.end = status.RunStatus.of_end(trial.run_dir, record)
            trial.status, trial.reason = self.end.status, self.end.reason
            trial.seconds = max((record.get("time") or 0.0) - (self.started or 0.0), 0.0)
        elif record["kind"] == "epoch":
            trial.epochs = int(record.get("epoch") or 0)
            return {k: v for k, v in (record.get("metrics") or {}).items() if isinstance(v, int | float)}
        return None


class FollowedSweep:
    """A sweep of another process: its board, driven by the journals of its trials.

    Args:
        sweep_dir: its directory.
    """

    def __init__(self, sweep_dir: Path):
        self.sweep_dir = sweep_dir
        recorded = sweep_record.read(sweep_dir)
        self._points, self._varying = dict(recorded["points"]), recorded["settings"]["varying"]
        self._own = journal.Tail(sweep_dir / status.JOURNAL)
        self.start: dict[str, Any] = {}
        self.end: status.RunStatus | None = None
        self._read_own()
        about = self.start.get("sweep") or {}
        total = about.get("total") or (None if self.start else len(self._points) or None)
        self.board = Board(total, about.get("jobs") or 1, settings=recorded["settings"])
        self._began = self.start.get("time") or recorded.get("started") or time.time()
        self._over: set[str] = set()
        self._follows: dict[str, FollowedRun] = {}
        self._find(first=True)
        self._earlier()

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""
        return [f.trial for f in self._follows.values() if f.trial.status == RUNNING]

    def look(self, say: bool = True) -> None:
        """Read new records of the sweep and its trials.

        Args:
            say: print a line for each trial that has ended.
        """
        self._read_own()
        self._find()
        for name, follow in list(self._follows.items()):
            metrics = follow.look()
            trial = follow.trial
            if metrics is not None:
                self.board.epoch_done(trial, metrics)
            if trial.status == RUNNING:
                self._clock(follow)
            elif follow.end is not None:
                del self._follows[name]
                self._over.add(name)
                sweep_record.read_results(trial, follow.end)
                (self.board.ended if say else self.board.count)(trial)

    def settle(self) -> None:
        """Mark the sweep and its trials KILLED where their processes are gone."""
        if self.end is None:
            mark_dead(self.sweep_dir, self.start)
        for follow in self._follows.values():
            follow.settle()

    @property
    def over(self) -> bool:
        """Whether the sweep has ended or, without a record of its own, no trial runs."""
        return self.end is not None if self.start else not self.running

    def _read_own(self) -> None:
        with contextlib.suppress(OSError):
            for record in self._own.read():
                if record["kind"] == "start":
                    self.start, self.end = record, None
                elif record["kind"] == "end":
                    self.end = status.RunStatus.of_end(self.sweep_dir, record)

    def _find(self, first: bool = False) -> None:
        """Add trials that have begun; of those that have ended already, only the end of the journal is read."""
        with contextlib.suppress(OSError), os.scandir(self.sweep_dir) as entries:
            names = [e.name for e in entries if decimal_digits.number(e.name) is not None]
            new = sorted((n for n in names if n not in self._over and n not in self._follows), key=int)
            for name in new:
                run_dir = self.sweep_dir / name
                if not (run_dir / status.JOURNAL).is_file():
                    continue
                trial = sweep_record.trial(run_dir, self._points, self._varying)
                if first and self._stays(status.read(run_dir)):
                    self._over.add(name)
                    self.board.count(sweep_record.settled(trial))
                else:
                    self._follows[name] = FollowedRun(trial)

    def _stays(self, now: status.RunStatus) -> bool:
        """Return whether a trial has ended for good: a resumed sweep continues killed trials."""
        if now.end is None:
            return False
        earlier = (now.end.get("time") or 0.0) < self._began
        return not (earlier and self.end is None and self.start and now.status == "KILLED")

    def _earlier(self) -> None:
        """Estimate the time left from the start of the sweep, not from the start of watching."""
        done = (self.start.get("sweep") or {}).get("done", 0)
        began = self._began
        if not done and (names := sorted([*self._over, *self._follows], key=int)):
            # Not from when TensorFlow was being imported.
            first = journal.first(self.sweep_dir / names[0] / status.JOURNAL)
            began = max(began, first.get("time") or 0.0)
        self.board.since = self.board.clock() - max(time.time() - began, 0.0)
        self.board.before = done
        self.look(say=False)

    def _clock(self, follow: FollowedRun) -> None:
        if follow.started is not None:
            ago = max(time.time() - follow.started, 0.0)
            self.board.began.setdefault(follow.trial.number, self.board.clock() - ago)
