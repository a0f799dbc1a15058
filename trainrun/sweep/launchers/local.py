"""Trials in separate processes, forked from one that has imported TensorFlow: isolated, with a short start."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import connection
from typing import Any

from trainrun.sweep.launchers import alike
from trainrun.sweep.launchers.interface import SEPARATE_PROCESSES, SHARED_PROCESSES, OnEpoch
from trainrun.sweep.launchers.local_worker import LocalWorker, program_key
from trainrun.sweep.launchers.protocol import Ended, TrialTask
from trainrun.sweep.launchers.resources import Resources
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.util import subprocesses

KILL_DELAY_S = 15.0  # beyond the trial's own grace, until it is killed


class Pool:
    """Runs trials side by side.

    A trial that crashes, is killed for memory, or calls `os._exit` does not affect the others.

    Args:
        resources: the machine, divided.
        plugins: of the config: registered in each process.
        command: as typed, for the records.
        trial_timeout: seconds that a trial may take, or None.
        grace: seconds that a trial has to save its state when it is stopped.
    """

    how = SEPARATE_PROCESSES

    def __init__(
        self,
        resources: Resources,
        plugins: Sequence[str],
        command: Sequence[str],
        trial_timeout: float | None = None,
        grace: float = 30.0,
    ):
        self.resources, self.plugins, self.command = resources, list(plugins), list(command)
        self.trial_timeout, self.grace = trial_timeout, grace
        subprocesses.fork_server()  # imports TensorFlow while the first points are composed
        self._workers: list[LocalWorker] = []
        self.jobs = resources.jobs
        self.on_epoch: OnEpoch = lambda trial, epoch, metrics, last: None
        self.on_note: Callable[[str], None] = lambda text: None
        self._said = self.answers = False

    @classmethod
    def of(cls, settings: Mapping[str, Any], jobs: int | str, trials: int, per_gpu: int = 1) -> Pool:
        """Return a pool for a sweep.

        Args:
            settings: see `sweep_settings.settings`.
            jobs, trials, per_gpu: see `Resources.divide`.
        """
        pool = cls(
            Resources.divide(jobs, trials, per_gpu),
            settings["plugins"],
            settings["command"],
            settings["trial_timeout"],
            settings["grace"],
        )
        pool.how = SEPARATE_PROCESSES if settings["reuse"] == "never" else SHARED_PROCESSES
        return pool

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""
        return [w.trial for w in self._busy]

    @property
    def free(self) -> bool:
        """Whether another trial can begin."""
        return len(self._busy) < self.jobs

    @property
    def _busy(self) -> list[LocalWorker]:
        return [w for w in self._workers if w.trial is not None]

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room.

        Args:
            trial: its directory exists.
            resume: facts about the attempt that it continues, or None.
        """
        if not self._said and (own := alike.used_plugin(trial.config)) is not None:
            self._said = True
            self.on_note(f"trials with a plug-in's {own!r} share no compiled program: it may keep state")
        worker = self._worker(None if resume else program_key(trial.config))
        worker.start(trial, TrialTask.of(trial, self.command, self.plugins, resume, self.answers))
        trial.status = RUNNING

    def _worker(self, key: str | None) -> LocalWorker:
        """Return an idle worker that has the compiled program, or a new one."""
        idle = [w for w in self._workers if w.trial is None]
        for worker in idle:
            if key is not None and worker.key == key and worker.process.exitcode is None:
                return worker
        share = self.resources.take()
        if share is None:  # those that are idle have it
            self._retire(idle[0])
            share = self.resources.take()
        worker = LocalWorker(share, key)
        self._workers.append(worker)
        return worker

    def _retire(self, worker: LocalWorker) -> None:
        worker.retire()
        self._workers.remove(worker)
        self.resources.give_back(worker.share)

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so long; return those that have ended, their status set."""
        connection.wait([each for w in self._busy for each in w.watched], seconds)
        ended = []
        for worker in self._busy:
            worker.receive(self.on_epoch, self.answers)
            if worker.over:
                ended.append(self._settle(worker))
            else:
                self._hurry(worker)
        return ended

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save their state and exit; with a reason, they count as FAILED."""
        for worker in self._busy:
            if worker.process is None:  # a signal has come while it starts: the loop stops it then
                continue
            if (trial is None or worker.trial is trial) and worker.stop_by is None:
                worker.stop_by, worker.reason = time.monotonic() + self.grace + KILL_DELAY_S, reason
                worker.process.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill all trials."""
        for worker in self._workers:
            if worker.process is not None:
                worker.process.kill()

    def close(self) -> None:
        """End the processes that wait for another trial. The fork server ends with this process."""
        for worker in list(self._workers):
            if worker.trial is None:
                self._retire(worker)

    def _hurry(self, worker: LocalWorker) -> None:
        now = time.monotonic()
        if self.trial_timeout and worker.stop_by is None and worker.seconds > self.trial_timeout:
            self.stop(worker.trial, f"it took longer than sweep.trial_timeout={self.trial_timeout:g} s")
        if worker.stop_by is not None and now > worker.stop_by:
            worker.process.kill()

    def _settle(self, worker: LocalWorker) -> Trial:
        worker.receive(self.on_epoch, self.answers)
        trial, seconds = worker.trial, time.monotonic() - worker.began
        ended = worker.ended
        if ended is None:
            # A trial that was stopped before it could react has not failed: a resumed sweep starts it again.
            stopped = worker.stop_by is not None and worker.reason is None
            ended = Ended(trial.number, "KILLED" if stopped else "FAILED", died(worker.process.exitcode))
        ended.settle(trial, seconds, worker.reason)
        worker.trial = None
        if not worker.stays:
            worker.process.join()
            self._retire(worker)
        return trial


def died(code: int) -> str:
    """Return why a process has ended without sending a reason, by its exit code."""
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), by a user or for lack of memory"
    if code < 0:
        return f"its process crashed ({signal.Signals(-code).name})"
    if code == subprocesses.UNKNOWN:
        return "its process ended, with exit code 255 or, as the fork server was killed, too, with one that is not known"
    return f"its process ended by itself with exit code {code}"
