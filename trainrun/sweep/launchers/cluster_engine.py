"""Base class of the engines with workers of other packages (Ray, Slurm), in the sweep's own process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trainrun.sweep.launchers.interface import SEPARATE_PROCESSES, OnEpoch
from trainrun.sweep.launchers.protocol import Begun, ClusterTask, Ended, Epoch, Message, Stop, TrialTask
from trainrun.sweep.launchers.resources import Share
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.tracking import status

WORKER_CHECK_INTERVAL_S = 1.0  # between two checks whether workers still run
LAST_MESSAGE_TIMEOUT_S = 2.0  # for the last message of a worker that has ended
KILL_DELAY_S = 45.0  # beyond the trial's own grace, until a trial that was to stop is killed

# A worker's message: the trial's number, the message, and the function that takes the answer.
Received = tuple["Job", Message, Callable[[str | None], None]]


@dataclass(eq=False)
class Job:
    """A trial that was submitted.

    Args:
        trial: of the sweep.
        task: for its worker.
        share: of this machine, if it runs here.
        handle: the engine's own.
        pid: of its worker, once it has begun.
        requested, passed_on: the pending request to end it; the request that was sent.
        stop_by: when to kill it.
        reason: why it was stopped.
        ended: its worker's last message.
        gone: when its worker was detected as dead, and why.
    """

    trial: Trial
    task: ClusterTask
    share: Share | None = None
    handle: Any = None
    pid: int | None = None
    requested: Stop | None = None
    passed_on: Stop | None = None
    stop_by: float = float("inf")
    reason: str | None = None
    ended: Ended | None = None
    gone: tuple[float, str] | None = None


class ClusterEngine:
    """Runs trials by workers of another package. A subclass starts them, receives their messages and sends them orders.

    Args:
        settings: see `sweep_settings.settings`; ``launcher`` are the engine's own.
        jobs: trials at once.
    """

    how = SEPARATE_PROCESSES
    patience = LAST_MESSAGE_TIMEOUT_S

    def __init__(self, settings: Mapping[str, Any], jobs: int):
        self.settings, self.launcher = settings, settings["launcher"]
        self.jobs = jobs
        self.on_epoch: OnEpoch = lambda trial, epoch, metrics, last: None
        self.answers = False
        self._jobs: list[Job] = []
        self._checked = 0.0

    # For subclasses.

    def begin(self, job: Job) -> None:
        """Submit a trial to a worker."""
        raise NotImplementedError

    def receive(self, seconds: float) -> Iterable[Received]:
        """Wait for messages of the workers, at most so long; return those that have come."""
        raise NotImplementedError

    def order(self, job: Job, stop: Stop) -> None:
        """Request a worker to end its trial."""
        raise NotImplementedError

    def gone(self, job: Job) -> str | None:
        """Return why a worker has ended, or None if it runs."""
        raise NotImplementedError

    def withdraw(self, job: Job) -> bool:
        """Cancel a trial that has not begun; return whether that succeeded."""
        return False

    def share(self) -> Share:
        """Return the share of the machine that a trial may use."""
        raise NotImplementedError

    def give_back(self, share: Share) -> None:
        """Free a share."""

    def close(self) -> None:
        """Release the engine's resources."""

    # The engine's interface.

    @property
    def running(self) -> list[Trial]:
        """The trials that run now, or wait for a place on the cluster."""
        return [job.trial for job in self._jobs]

    @property
    def free(self) -> bool:
        """Whether another trial can begin."""
        return len(self._jobs) < self.jobs

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room.

        Args:
            trial: its directory exists.
            resume: facts about the attempt that it continues, or None.
        """
        share = self.share()
        job = Job(trial, self.task(trial, resume, share), share)
        trial.status = RUNNING
        self._jobs.append(job)
        self.begin(job)

    def task(self, trial: Trial, resume: Mapping[str, Any] | None, share: Share) -> ClusterTask:
        """Return the task of a trial for its worker, whose environment is its own."""
        settings = self.settings
        return ClusterTask(
            TrialTask.of(trial, settings["command"], settings["plugins"], resume, self.answers),
            settings["trial_timeout"],
            settings["grace"],
            os.getcwd(),
            list(sys.path),
            share.threads,
            share.gpu,
            share.per_gpu,
            self.channel(trial),
        )

    def channel(self, trial: Trial) -> Mapping[str, Any]:
        """Return the data for the worker's end of the channel."""
        return {}

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so long; return those that have ended, their status set."""
        for job in [*self._jobs]:
            self._pass_on(job)
        for job, message, answer in self.receive(seconds):
            answer(self.take(job, message))
        if not self._jobs:
            time.sleep(seconds)
        self._check_workers()
        over = [job for job in self._jobs if job.ended is not None]
        for job in over:
            self._settle(job)
        return [job.trial for job in over]

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save their state and exit; sent by `wait`, since a signal handler may call this."""
        for job in self._jobs:
            if (trial is None or job.trial is trial) and job.requested is None:
                job.stop_by = time.monotonic() + self.settings["grace"] + KILL_DELAY_S
                job.requested, job.reason = Stop(job.trial.number), reason

    def kill(self) -> None:
        """Kill all trials; sent by `wait`, since a signal handler may call this."""
        for job in self._jobs:
            job.requested = Stop(job.trial.number, kill=True)

    def take(self, job: Job, message: Message) -> str | None:
        """Handle a message; return the answer."""
        if isinstance(message, Epoch):
            return self.on_epoch(job.trial, message.epoch, message.metrics, message.last)
        if isinstance(message, Begun):
            job.pid = message.pid
        elif isinstance(message, Ended):
            job.ended = message
        return None

    def _pass_on(self, job: Job) -> None:
        if job.requested is not None and time.monotonic() > job.stop_by:
            job.requested = Stop(job.trial.number, kill=True)
        if job.requested in (None, job.passed_on):
            return
        if job.pid is None and self.withdraw(job):
            job.ended = Ended(job.trial.number, "KILLED", "the sweep was stopped before it began")
            return
        self.order(job, job.requested)
        job.passed_on = job.requested

    def _check_workers(self) -> None:
        """Fail the trials whose workers have ended without a last message."""
        now = time.monotonic()
        if now - self._checked < WORKER_CHECK_INTERVAL_S:
            return
        self._checked = now
        for job in self._jobs:
            if job.ended is None and job.gone is None and (why := self.gone(job)) is not None:
                job.gone = now, why
            elif job.ended is None and job.gone and now - job.gone[0] > self.patience:
                job.ended = Ended(job.trial.number, "FAILED", job.gone[1])
                _close_record(job.trial, job.gone[1])

    def _settle(self, job: Job) -> None:
        self._jobs.remove(job)
        if job.share is not None:
            self.give_back(job.share)
        job.ended.settle(job.trial, job.ended.seconds, job.reason)


def _close_record(trial: Trial, reason: str) -> None:
    """Write the missing end record of a trial; it is not known here whether a process of another machine runs."""
    start = status.read(trial.run_dir).start
    status.mark_killed(trial.run_dir, reason, dead=start.get("pid"))
