"""The interface of an engine, which runs the trials of a launcher: local processes, a Ray cluster, Slurm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trainrun.sweep.trial import Trial

# How most engines run trials, and how local processes do that stay for trials with the same program.
SEPARATE_PROCESSES = "each in a process of its own"
SHARED_PROCESSES = "in processes that trials of one program share"
# Called with the trial, the epochs done, the metrics, and whether it was the last epoch; returns the reason to prune, or None.
OnEpoch = Callable[[Trial, int, Mapping[str, float], bool], str | None]


class Engine(Protocol):
    """Runs trials side by side; a failure of one does not affect the others.

    The sweep's own thread calls everything; a signal handler calls `stop` and `kill`, too.

    Attributes:
        jobs: trials at once.
        how: a phrase for the user about the way it runs them.
        on_epoch: called within `wait` for each epoch that a trial reports; the result is sent to the trial.
        answers: whether a trial waits for that result.
        on_note: called within `wait` with a line for the user.
    """

    jobs: int
    how: str
    on_epoch: OnEpoch
    answers: bool
    on_note: Callable[[str], None]

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""

    @property
    def free(self) -> bool:
        """Whether another trial can begin."""

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room.

        Args:
            trial: its directory exists; its status becomes RUNNING.
            resume: facts about the attempt that it continues (`data_sha256`), or None.
        """

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so long; return those that have ended: status, reason and seconds set."""

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save their state and exit; with a reason, they count as FAILED."""

    def kill(self) -> None:
        """Kill all trials."""

    def close(self) -> None:
        """Release processes and connections; no trial runs any more."""
