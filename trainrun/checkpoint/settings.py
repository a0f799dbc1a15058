"""Settings of checkpoints and of stopping by a signal (`checkpoint`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainrun.util.interrupt import GRACE


@dataclass(frozen=True)
class CheckpointSettings:
    """Settings of a run's checkpoints.

    Args:
        every: see `trainrun.util.interval.Interval.parse`.
        keep: number of newest checkpoints to keep.
        grace: seconds for the current step and the checkpoint after a signal.
        signals: names of further signals to save and stop at.
    """

    every: str = "auto"
    keep: int = 2
    grace: float = GRACE
    signals: Sequence[str] = ()
