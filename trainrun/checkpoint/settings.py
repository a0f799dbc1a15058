"""When checkpoints are written, and what a signal leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainrun.util.interrupt import GRACE


@dataclass(frozen=True)
class CheckpointSettings:
    """Settings of a run's checkpoints.

    Args:
        every: see `trainrun.util.interval.Interval.parse`.
        keep: how many of the newest to keep.
        grace: seconds that a step and the checkpoint may take after a signal.
        signals: names of further signals that mean: save and stop.
    """

    every: str = "auto"
    keep: int = 2
    grace: float = GRACE
    signals: Sequence[str] = ()
