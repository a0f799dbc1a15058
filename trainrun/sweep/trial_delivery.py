"""Delivery of the trials' journals to trackers: one delivery process for the whole sweep."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.sweep import sweep_record
from trainrun.sweep.trial import Trial
from trainrun.tracking import journal, status, trackers
from trainrun.tracking.delivery import client, handover, state, sync
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.settings import TrackingSettings
from trainrun.ui import console
from trainrun.util.durations import text as duration

SHARE = 0.2  # of a sweep's time that its end may wait for its delivery
MANY = 20  # trials under way from which on a line announces the wait


class Delivery:
    """Hands trials over to the delivery process, and reads their results.

    Args:
        timeout: seconds for delivering the rest of a trial after this process has died.

    Attributes:
        in_background: whether the delivery process sends the rest when this process has ended.
    """

    def __init__(self, timeout: float):
        self.timeout, self._began = timeout, time.monotonic()
        self.in_background = False
        self._followed: dict[Path, int] = {}  # trials that run, and how many attempts there were
        # Those that have ended, in their order, and are not yet delivered.
        self._under_way: dict[Path, None] = {}
        self._courier: client.Courier | None = None

    def follow(self, running: Sequence[Trial]) -> None:
        """Deliver the trials that have begun to write, or have begun again after an end (Slurm's requeue)."""
        for trial in running:
            begun = trial.run_dir in self._followed
            if (not begun and (trial.run_dir / status.JOURNAL).exists()) or (begun and self._again(trial)):
                self._follow(trial)

    def owed(self, run_dirs: Sequence[Path]) -> None:
        """Have those runs of an earlier attempt delivered whose records their trackers do not all have.

        Args:
            run_dirs: of trials that have ended, and of their sweep.
        """
        for run_dir in run_dirs:
            try:
                targets = _owing(run_dir)
            except UserError as error:  # the password of its address is not in the environment
                console.warn(f"{run_dir} is not wholly sent to its tracker: {error}")
                continue
            courier = targets and handover.start(
                run_dir, TrackingSettings(targets), self.timeout, console.warn
            )
            if courier:
                self._courier = courier
                self._under_way[run_dir] = None
                courier.over(run_dir)

    def _again(self, trial: Trial) -> bool:
        return (
            self._courier is not None
            and self._courier.finished(trial.run_dir)
            and _attempts(trial.run_dir) > self._followed[trial.run_dir]
        )

    def _follow(self, trial: Trial) -> None:
        self._followed[trial.run_dir] = _attempts(trial.run_dir)
        self._under_way.pop(trial.run_dir, None)
        settings = TrackingSettings.of(trial.config["tracking"], trial.config.get("alert"), trial=True)
        if settings.targets or settings.alerts:
            courier = handover.start(trial.run_dir, settings, self.timeout, console.warn)
            self._courier = courier or self._courier

    def ended(self, trial: Trial) -> None:
        """Read a trial's results; a missing end record is written."""
        self.follow([trial])
        if self._followed.pop(trial.run_dir, None) is not None and self._courier is not None:
            self._under_way[trial.run_dir] = None
            self._courier.over(trial.run_dir)
            self._forget()
        if (trial.run_dir / status.JOURNAL).is_file():
            if trial.status == "FINISHED":
                now = status.read(trial.run_dir)
            else:
                now = status.mark_killed(trial.run_dir, trial.reason or status.NO_FINAL_STATUS)
            sweep_record.read_results(trial, now)

    def finish(self, patience: float) -> int:
        """Wait briefly for pending deliveries; return the number of trials that are not completely delivered.

        Short trials may be trained faster than they can be sent: as long as the server takes them, the end may wait for
        a fifth of the time that the sweep has taken.

        Args:
            patience: maximum seconds, for a server that accepts nothing.
        """
        if self._courier is None:
            return 0
        self._forget()
        now = time.monotonic()
        most = max(patience, SHARE * (now - self._began))
        waiting = [d for d in (*self._under_way, *self._followed) if d.is_dir()]
        if self.in_background:
            return self._leave(waiting)
        if len(waiting) >= MANY:
            console.note(
                f"sending the last {len(waiting)} trials to the tracking server (at most {duration(most)})"
            )

        def left(run_dir: Path) -> float:
            bound = patience if self._courier.failing(run_dir) else most
            return max(now + bound - time.monotonic(), 0.0)

        return sum(not self._courier.finish(d, left(d)) for d in waiting)

    def _leave(self, waiting: Sequence[Path]) -> int:
        """Announce the trials that are sent after this process has ended; return the number of those that the server refuses."""
        refused = sum(self._courier.failing(d) for d in waiting)
        if (count := len(waiting) - refused) > 0:
            trials = "the last trial is" if count == 1 else f"the last {count} trials are"
            console.note(f"{trials} sent to the tracking server in the background")
        return refused

    def _forget(self) -> None:
        """Forget the delivered trials: a sweep may have thousands."""
        for run_dir in [*itertools.takewhile(self._courier.finished, self._under_way)]:
            self._courier.forget(run_dir)
            del self._under_way[run_dir]


def _owing(run_dir: Path) -> list[Target]:
    """Return the targets of a run that do not have all of its records; none that a user has deleted it from."""
    now, head = status.read(run_dir), journal.first(run_dir / status.JOURNAL)
    if not trackers.recorded(head):  # recorded with tracking=none
        return []
    entries, owing = state.read(run_dir), []
    for target in sync.targets_of(run_dir, head):
        entry = state.find(entries, target)
        if not (entry or {}).get("deleted") and state.unsent(entry, now.records):
            owing.append(target)
    return owing


def _attempts(run_dir: Path) -> int:
    return (run_dir / status.JOURNAL).read_bytes().count(b'"kind":"start"')


@contextmanager
def of(settings: Mapping[str, Any]) -> Iterator[Delivery]:
    """Deliver inside the `with`; wait briefly at its end.

    Args:
        settings: the config's `tracking` node.
    """
    timeout = TrackingSettings.of(settings).timeout
    delivery = Delivery(timeout)
    try:
        yield delivery
    finally:
        if left := delivery.finish(timeout):
            console.warn(f"{left} trials are not wholly sent to the tracking server: trainrun sync --all")
