"""The interface by which a sweep decides whether a trial is pruned; this one prunes none."""

from __future__ import annotations

from collections.abc import Mapping

from trainrun.sweep.trial import Trial


class Judge:
    """Decides after each epoch whether a trial is pruned.

    Attributes:
        asks: whether a trial waits for the decision after each epoch.
    """

    asks = False

    def epoch_done(self, trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        """Record an epoch; return the reason to prune the trial, or None.

        Args:
            trial: that has reported.
            epoch: done, counted from 1.
            metrics: of that epoch.
            last: whether training ends with it.
        """
        return None

    def ended(self, trial: Trial) -> None:
        """Record how a trial has ended."""
