"""A process in which trials are trained together, as the sweep sees it; `worker_main` is the other side."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainrun.sweep import sweep_record
from trainrun.sweep.launchers.interface import OnEpoch
from trainrun.sweep.launchers.local import KILL_DELAY_S, died
from trainrun.sweep.launchers.protocol import Answer, Begun, Ended, Epoch, GroupTask, Note, Stop, TrialTask
from trainrun.sweep.launchers.resources import Share
from trainrun.sweep.trial import Trial
from trainrun.util import subprocesses
from trainrun.vectorized import worker_main


@dataclass(eq=False)
class Place:
    """A trial that waits for others of its shape, or is with them.

    Args:
        trial: it.
        resume: what is known of the attempt that it goes on from.
        key: what trials have in common that may be trained together.
    """

    trial: Trial
    resume: Mapping[str, Any] | None
    key: str
    began: float = 0.0
    stop_by: float | None = None
    passed_on: bool = False
    reason: str | None = None

    def stop(self, grace: float, reason: str | None) -> None:
        """Have it end within so many seconds; calling it again changes nothing."""
        if self.stop_by is None:
            self.stop_by, self.reason = time.monotonic() + grace + KILL_DELAY_S, reason

    def settle(self, ended: Ended) -> Trial:
        """Return the trial as it has ended."""
        return ended.settle(self.trial, time.monotonic() - self.began, self.reason)


class Together:
    """One process, and the trials that it has.

    Args:
        settings: see `sweep_settings.settings`.
        threads: of the CPU, for this process.
        part: of the memory that is free, for this process.
        most: trials at once.
        on_epoch, answers, on_note: of the engine.
        place: the first trial that it will have.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        threads: int,
        part: float,
        most: int,
        on_epoch: OnEpoch,
        answers: bool,
        on_note: Callable[[str], None],
        place: Place,
    ):
        self.settings, self.on_epoch, self.answers, self.on_note = settings, on_epoch, answers, on_note
        self.places: list[Place] = []
        self.key: str | None = None  # of the trials that it has had last
        self._pipe, theirs = multiprocessing.Pipe()
        sweep_dir = str(place.trial.run_dir.parent)
        task = GroupTask(sweep_dir, list(settings["plugins"]), most, part)
        self._process = subprocesses.fork(
            worker_main.main, task, theirs, environment=Share(threads).environment()
        )
        theirs.close()

    @property
    def ends(self) -> list[Any]:
        """What to wait for: something is said, or the process is gone."""
        return [self._pipe, self._process.sentinel]

    @property
    def gone(self) -> bool:
        """Whether the process is no more."""
        return self._process.exitcode is not None

    def send(self, place: Place) -> None:
        """Have it begin a trial."""
        trial = place.trial
        self.places.append(place)
        self.key, place.began = place.key, time.monotonic()
        settings = self.settings
        self._say(TrialTask.of(trial, settings["command"], settings["plugins"], place.resume, self.answers))

    def listen(self) -> list[Trial]:
        """Take in what the process has said; return the trials that have ended."""
        ended: list[Trial] = []
        try:
            while self._pipe.poll():
                message = self._pipe.recv()
                if isinstance(message, Note):
                    self.on_note(message.text)
                    continue
                place = next((p for p in self.places if p.trial.number == message.trial), None)
                if place is None:
                    continue
                if isinstance(message, Begun):
                    place.began = time.monotonic()
                elif isinstance(message, Epoch):
                    reason = self.on_epoch(place.trial, message.epoch, message.metrics, message.last)
                    if self.answers:
                        self._say(Answer(message.trial, reason))
                elif isinstance(message, Ended):
                    self.places.remove(place)
                    ended.append(place.settle(message))
        except (EOFError, OSError):
            self._process.join(1.0)
        return ended

    def hurry(self) -> None:
        """Pass on which trials are to stop; end the process if one does not."""
        now, timeout = time.monotonic(), self.settings["trial_timeout"]
        for place in self.places:
            if timeout and now - place.began > timeout:
                place.stop(self.settings["grace"], f"it took longer than sweep.trial_timeout={timeout:g} s")
        for place in [p for p in self.places if p.stop_by is not None]:
            if now > place.stop_by:
                self.kill()
            elif not place.passed_on:
                place.passed_on = True
                self._say(Stop(place.trial.number))

    def bury(self) -> tuple[list[Trial], list[tuple[Trial, Mapping[str, Any] | None]]]:
        """The process is gone: return the trials that are over, and those that begin, or go on, one by one."""
        why, lost, self.places = died(self._process.exitcode), self.places, []
        self._pipe.close()
        over, left = [], []
        for place in lost:
            if place.stop_by is not None:
                over.append(place.settle(Ended(place.trial.number, "KILLED", why)))
                continue
            resume = sweep_record.earlier_attempt(place.trial.run_dir) or place.resume
            left.append((place.trial, resume))
        if lost:
            self.on_note(f"the process of {len(lost)} trials ended ({why}); they go on one by one")
        return over, left

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)

    def release(self) -> None:
        """Say that there will be no more."""
        self._say(None)

    def end(self) -> None:
        """Wait for the end of a process that is released; one that does not come is killed."""
        self._process.join(5.0)
        if self._process.exitcode is None:
            self.kill()
            self._process.join()
        self._pipe.close()

    def _say(self, message: TrialTask | Answer | Stop | None) -> None:
        with contextlib.suppress(OSError):  # it is gone: `bury` sees to what it had
            self._pipe.send(message)
