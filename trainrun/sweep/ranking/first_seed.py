"""Pruning where settings have several seeds: a setting is judged by its first seed.

If every seed were judged, the seeds of the best setting would compete with one another: ASHA lets only one in three trials pass a
rung. So the other seeds run to their end, unless the first one is pruned: then they are pruned, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trainrun.sweep.ranking.judge import Judge
from trainrun.sweep.trial import Trial


class FirstSeed(Judge):
    """A judge that applies another one to the first trial of each setting.

    Args:
        judge: to apply.
        done: trials of earlier attempts.
    """

    def __init__(self, judge: Judge, done: Iterable[Trial] = ()):
        self._judge, self.asks = judge, judge.asks
        self._first: dict[tuple[str, ...], int] = {}
        self._out: dict[tuple[str, ...], str] = {}
        for trial in sorted(done, key=lambda t: t.number):
            self._first.setdefault(trial.setting, trial.number)

    def epoch_done(self, trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        """Record an epoch; return the reason to prune the trial, or None."""
        setting = trial.setting
        if self._first.setdefault(setting, trial.number) != trial.number:
            return None if last else self._out.get(setting)
        reason = self._judge.epoch_done(trial, epoch, metrics, last)
        if reason is not None:
            self._out[setting] = f"trial {trial.number}, the same with another seed, was given up: {reason}"
        return reason

    def ended(self, trial: Trial) -> None:
        """Record how a trial has ended."""
        if self._first.get(trial.setting) == trial.number:
            self._judge.ended(trial)
