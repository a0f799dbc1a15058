"""The processes of `hydra/launcher=local`: one for each trial, or for several that share a compiled program."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from trainrun.sweep.launchers import alike, trial_process
from trainrun.sweep.launchers.protocol import Answer, Begun, Ended, Epoch, TrialTask
from trainrun.sweep.launchers.resources import Share
from trainrun.sweep.trial import Trial
from trainrun.util import subprocesses

# TensorFlow leaks some 6 MB a trial in its process.
MAX_TRIALS = 25
# Seconds that the fork server may take to start a trial, in addition to the trial's own time.
IMPORT_TIMEOUT_S = 120.0


class LocalWorker:
    """A process that runs trials, one after another, and its state.

    Args:
        share: of the machine.
        key: of the program that its trials share; None: it runs one trial only.

    Attributes:
        trial: that it runs, or None.
        ended: the last message of its trial, once received.
        pipe_closed: whether its end of the pipe is closed.
        stop_by: when to kill it; None: its trial may continue.
        reason: why its trial was stopped.
        began: when its trial began.
    """

    def __init__(self, share: Share, key: str | None):
        self.share, self.key, self.served = share, key, 0
        self.process: subprocesses.Forked | None = None
        self.pipe: Connection | None = None
        self.trial: Trial | None = None
        self._clear()

    def _clear(self) -> None:
        self.ended: Ended | None = None
        self.pipe_closed = False
        self.stop_by: float | None = None
        self.reason: str | None = None
        self.began, self._begun = time.monotonic(), False

    def start(self, trial: Trial, task: TrialTask) -> None:
        """Begin a trial; none runs in this process."""
        self._clear()
        self.trial, self.served = trial, self.served + 1
        task = replace(task, stays=self.key is not None and self.served < MAX_TRIALS)
        if self.process is not None:
            self.pipe.send(task)
            return
        self.pipe, worker_end = multiprocessing.Pipe()
        self.process = subprocesses.fork(
            trial_process.main, task, worker_end, environment=self.share.environment()
        )
        worker_end.close()

    def receive(self, on_epoch: Any, answers: bool) -> None:
        """Handle the trial's messages.

        Args:
            on_epoch: see `interface.Engine`; called for each epoch.
            answers: whether the trial waits for an answer.
        """
        try:
            while not self.pipe_closed and self.ended is None and self.pipe.poll():
                message = self.pipe.recv()
                if isinstance(message, Begun):
                    # Its time counts from now: the first of all waits for the import of TensorFlow.
                    self.began, self._begun = time.monotonic(), True
                elif isinstance(message, Epoch):
                    reason = on_epoch(self.trial, message.epoch, message.metrics, message.last)
                    if answers:
                        self.pipe.send(Answer(message.trial, reason))
                elif isinstance(message, Ended):
                    self.ended = message
        except (EOFError, OSError):
            self.pipe_closed = True

    @property
    def watched(self) -> list[Any]:
        """The objects to wait for: the end of the process, or a message."""
        silent = self.pipe_closed or self.ended is not None
        return [self.process.sentinel, *([] if silent else [self.pipe])]

    @property
    def seconds(self) -> float:
        """Seconds of the trial so far, without its wait for the process."""
        return time.monotonic() - self.began - (0.0 if self._begun else IMPORT_TIMEOUT_S)

    @property
    def stays(self) -> bool:
        """Whether the process waits for another trial."""
        return self.ended is not None and self.ended.stays

    @property
    def over(self) -> bool:
        """Whether its trial has ended."""
        return self.process.exitcode is not None or self.stays

    def retire(self) -> None:
        """End the process; no trial runs in it."""
        if self.process.exitcode is None:
            with contextlib.suppress(OSError):
                self.pipe.send(None)
            self.process.join(1.0)
            self.process.kill()
            self.process.join()
        self.process.kill_group()
        self.pipe.close()


def program_key(config: Mapping[str, Any]) -> str | None:
    """Return a key that is equal for trials with the same compiled program; None: the trial needs a separate process.

    Args:
        config: of a trial, resolved.
    """
    obstacle = alike.obstacle(config, alike.SHARES_PROGRAM)
    if config["sweep"].get("reuse") == "never" or obstacle is not None:
        return None
    return alike.key(config, alike.SHARES_PROGRAM)
