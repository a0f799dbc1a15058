"""What runs the trials of a sweep: processes of this machine, a Ray cluster, Slurm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trainrun.sweep.trial import Trial

APART = "each in a process of its own"  # how most engines run trials
# Told the trial, the epochs done, their metrics, and whether it was the last; returns why to give the trial up, or None.
OnEpoch = Callable[[Trial, int, Mapping[str, float], bool], str | None]


class Engine(Protocol):
    """Runs trials side by side; what happens to one happens to it alone.

    All of it is called by the sweep's own thread, but `stop` and `kill`, which a signal's handler calls.

    Attributes:
        jobs: trials at once.
        how: it runs them, in words for the user.
        on_epoch: called within `wait` for each epoch that a trial reports; what it returns goes back to the trial.
        answers: whether a trial waits for that answer; otherwise it goes on at once.
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
            resume: what is known of the attempt that it goes on from.
        """

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so long; return those that have ended: status, reason and seconds set."""

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save themselves and end; with a reason, they count as FAILED for it."""

    def kill(self) -> None:
        """End all of them at once."""

    def close(self) -> None:
        """Give back what the engine holds; no trial runs any more."""
