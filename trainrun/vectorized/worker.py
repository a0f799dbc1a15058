"""The sweep's side of a process in which trials are trained together; `worker_main` is the other side."""

from __future__ import annotations

import contextlib
import multiprocessing
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
class TrialSlot:
    """A trial that waits for others of its shape, or is trained with them.

    Args:
        trial: the trial.
        resume: facts about the attempt that it continues, or None.
        key: equal for trials that may be trained together.
    """

    trial: Trial
    resume: Mapping[str, Any] | None
    key: str
    began: float = 0.0
    stop_by: float | None = None
    passed_on: bool = False
    reason: str | None = None

    def stop(self, grace: float, reason: str | None) -> None:
        """Request the end of the trial within so many seconds; a second call changes nothing."""
        if self.stop_by is None:
            self.stop_by, self.reason = time.monotonic() + grace + KILL_DELAY_S, reason

    def settle(self, ended: Ended) -> Trial:
        """Set status and results of the trial by its last message; return the trial."""
        return ended.settle(self.trial, time.monotonic() - self.began, self.reason)


class GroupProcess:
    """One process and its trials.

    Args:
        settings: see `sweep_settings.settings`.
        threads: of the CPU, for this process.
        part: share of the free memory for this process.
        most: maximum number of trials at once.
        on_epoch, answers, on_note: of the engine.
        slot: its first trial.
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
        slot: TrialSlot,
    ):
        self.settings, self.on_epoch, self.answers, self.on_note = settings, on_epoch, answers, on_note
        self.slots: list[TrialSlot] = []
        self.key: str | None = None  # of its latest trials
        self._pipe, other_end = multiprocessing.Pipe()
        sweep_dir = str(slot.trial.run_dir.parent)
        task = GroupTask(sweep_dir, list(settings["plugins"]), most, part)
        self._process = subprocesses.fork(
            worker_main.main, task, other_end, environment=Share(threads).environment()
        )
        other_end.close()

    @property
    def ends(self) -> list[Any]:
        """Objects to wait for: a message, or the end of the process."""
        return [self._pipe, self._process.sentinel]

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.exitcode is not None

    def send(self, slot: TrialSlot) -> None:
        """Send a trial to the process."""
        trial = slot.trial
        self.slots.append(slot)
        self.key, slot.began = slot.key, time.monotonic()
        settings = self.settings
        self._send(TrialTask.of(trial, settings["command"], settings["plugins"], slot.resume, self.answers))

    def listen(self) -> list[Trial]:
        """Receive the messages of the process; return the trials that have ended."""
        ended: list[Trial] = []
        try:
            while self._pipe.poll():
                message = self._pipe.recv()
                if isinstance(message, Note):
                    self.on_note(message.text)
                    continue
                slot = next((p for p in self.slots if p.trial.number == message.trial), None)
                if slot is None:
                    continue
                if isinstance(message, Begun):
                    slot.began = time.monotonic()
                elif isinstance(message, Epoch):
                    reason = self.on_epoch(slot.trial, message.epoch, message.metrics, message.last)
                    if self.answers:
                        self._send(Answer(message.trial, reason))
                elif isinstance(message, Ended):
                    self.slots.remove(slot)
                    ended.append(slot.settle(message))
        except (EOFError, OSError):
            self._process.join(1.0)
        return ended

    def pass_on_stops(self) -> None:
        """Send requests to stop; kill the process if a trial does not stop in time."""
        now, timeout = time.monotonic(), self.settings["trial_timeout"]
        for slot in self.slots:
            if timeout and now - slot.began > timeout:
                slot.stop(self.settings["grace"], f"it took longer than sweep.trial_timeout={timeout:g} s")
        for slot in [p for p in self.slots if p.stop_by is not None]:
            if now > slot.stop_by:
                self.kill()
            elif not slot.passed_on:
                slot.passed_on = True
                self._send(Stop(slot.trial.number))

    def close_dead(self) -> tuple[list[Trial], list[tuple[Trial, Mapping[str, Any] | None]]]:
        """After the end of the process, return its stopped trials, and those to begin or continue separately."""
        why, lost, self.slots = died(self._process.exitcode), self.slots, []
        self._process.kill_group()
        self._pipe.close()
        over, left = [], []
        for slot in lost:
            if slot.stop_by is not None:
                over.append(slot.settle(Ended(slot.trial.number, "KILLED", why)))
                continue
            resume = sweep_record.earlier_attempt(slot.trial.run_dir) or slot.resume
            left.append((slot.trial, resume))
        if lost:
            self.on_note(f"the process of {len(lost)} trials ended ({why}); they continue separately")
        return over, left

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def release(self) -> None:
        """Tell the process that no more trials come."""
        self._send(None)

    def end(self) -> None:
        """Wait for the end of a released process; kill it after some seconds."""
        self._process.join(5.0)
        if self._process.exitcode is None:
            self.kill()
            self._process.join()
        self._process.kill_group()
        self._pipe.close()

    def _send(self, message: TrialTask | Answer | Stop | None) -> None:
        with contextlib.suppress(OSError):  # the process has ended: `close_dead` handles its trials
            self._pipe.send(message)
