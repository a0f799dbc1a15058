"""Trials in processes of their own, forked from one that has imported TensorFlow: isolated, and soon begun."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from typing import Any

from trainrun.sweep import child
from trainrun.sweep.engine import Heard
from trainrun.sweep.resources import Resources, Share
from trainrun.sweep.trial import RUNNING, Trial

PRELOAD = "trainrun.sweep.preload"
GRACE = 15.0  # seconds beyond the trial's own grace, before it is killed


@dataclass
class _Running:
    trial: Trial
    process: Any
    pipe: connection.Connection
    share: Share
    began: float
    told: dict[str, Any] | None = None
    stop_by: float | None = None  # when to kill it
    reason: str | None = None


class Pool:
    """Runs trials side by side.

    A trial that crashes, is killed for memory, or calls `os._exit` is that trial's failure alone.

    Args:
        resources: the machine, divided.
        plugins: of the config: registered in each process.
        command: as typed, for the records.
        trial_timeout: seconds that one may take; None: as long as it wants.
        grace: seconds that a trial has to save itself when it is told to stop.
    """

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
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])
        forkserver.ensure_running()  # it imports TensorFlow while the first points are composed
        self._running: list[_Running] = []
        self.jobs = resources.jobs
        self.heard: Heard = lambda trial, epoch, metrics, last: None
        self.asked = False

    @classmethod
    def of(cls, settings: Mapping[str, Any], jobs: int | str, trials: int, per_gpu: int = 1) -> Pool:
        """Return a pool for a sweep.

        Args:
            settings: see `snapshot.settings`.
            jobs, trials, per_gpu: see `Resources.divide`.
        """
        return cls(
            Resources.divide(jobs, trials, per_gpu),
            settings["plugins"],
            settings["command"],
            settings["trial_timeout"],
            settings["grace"],
        )

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""
        return [r.trial for r in self._running]

    @property
    def free(self) -> bool:
        """Whether another trial can begin."""
        return len(self._running) < self.jobs

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room.

        Args:
            trial: its directory exists.
            resume: what is known of the attempt that it goes on from.
        """
        share = self.resources.take()
        ours, theirs = self._context.Pipe()
        told = {
            "config": trial.config,
            "run_dir": str(trial.run_dir),
            "overrides": trial.overrides,
            "command": self.command,
            "plugins": self.plugins,
            "cwd": os.getcwd(),
            "path": sys.path,
            "environment": {**os.environ, **share.environment()},
            "resume": resume,
            "asks": self.asked,
        }
        process = self._context.Process(target=child.main, args=(told, theirs), daemon=False)
        process.start()
        theirs.close()
        trial.status = RUNNING
        self._running.append(_Running(trial, process, ours, share, time.monotonic()))

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so long; return those that have ended, their status set."""
        watched = [r.process.sentinel for r in self._running] + [
            r.pipe for r in self._running if r.told is None
        ]
        connection.wait(watched, seconds)
        ended = []
        for running in list(self._running):
            self._listen(running)
            if running.process.exitcode is not None:
                self._settle(running)
                ended.append(running.trial)
            else:
                self._hurry(running)
        return ended

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save themselves and end."""
        for running in self._running:
            if (trial is None or running.trial is trial) and running.stop_by is None:
                running.stop_by, running.reason = time.monotonic() + self.grace + GRACE, reason
                _signal(running.process, signal.SIGTERM)

    def kill(self) -> None:
        """End all of them at once."""
        for running in self._running:
            _signal(running.process, signal.SIGKILL)

    def close(self) -> None:
        """Nothing is held: the fork server ends with this process."""

    def _listen(self, running: _Running) -> None:
        """Take in what a trial says: an epoch, which is answered, or how it has ended."""
        try:
            while running.told is None and running.pipe.poll():
                said = running.pipe.recv()
                if "epoch" in said:
                    reason = self.heard(running.trial, said["epoch"], said["metrics"], said["last"])
                    if self.asked:
                        running.pipe.send(reason)
                else:
                    running.told = said
        except (EOFError, OSError):
            running.told = {}

    def _hurry(self, running: _Running) -> None:
        now = time.monotonic()
        if self.trial_timeout and running.stop_by is None and now - running.began > self.trial_timeout:
            self.stop(running.trial, f"it took longer than sweep.trial_timeout={self.trial_timeout:g} s")
        if running.stop_by is not None and now > running.stop_by:
            _signal(running.process, signal.SIGKILL)

    def _settle(self, running: _Running) -> None:
        self._listen(running)
        running.process.join()
        self._running.remove(running)
        self.resources.give_back(running.share)
        running.pipe.close()
        trial, code, told = running.trial, running.process.exitcode, running.told or {}
        trial.seconds = time.monotonic() - running.began
        trial.status = told.get("status") or "FAILED"
        trial.reason = (
            running.reason or told.get("reason") or (None if trial.status == "FINISHED" else _died(code))
        )
        if running.reason:
            trial.status = "FAILED"


def _died(code: int) -> str:
    """Return what the exit code of a process says that could not say it itself."""
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL): by somebody, or because the memory was short"
    if code < 0:
        return f"its process crashed ({signal.Signals(-code).name})"
    return f"its process ended by itself with exit code {code}"


def _signal(process: Any, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
