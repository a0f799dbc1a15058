"""Pruning where settings have several seeds: a setting is judged by its first one.

Were every seed judged, the seeds of the best setting would push one another out: of what reaches a rung, ASHA lets one in
three go on. So the others run to their end, unless the first is given up: then they are, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trainrun.sweep.ranking.pruning import Judge
from trainrun.sweep.trial import Trial


class FirstSeed(Judge):
    """Has somebody else judge the first trial of each setting.

    Args:
        judge: who judges.
        done: trials of earlier attempts.
    """

    def __init__(self, judge: Judge, done: Iterable[Trial] = ()):
        self._judge, self.asks = judge, judge.asks
        self._first: dict[tuple[str, ...], int] = {}
        self._out: dict[tuple[str, ...], str] = {}
        for trial in sorted(done, key=lambda t: t.number):
            self._first.setdefault(trial.setting, trial.number)

    def heard(self, trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        """Take note of an epoch; return why the trial is given up, or None."""
        setting = trial.setting
        if self._first.setdefault(setting, trial.number) != trial.number:
            return None if last else self._out.get(setting)
        reason = self._judge.heard(trial, epoch, metrics, last)
        if reason is not None:
            self._out[setting] = f"trial {trial.number}, the same with another seed, was given up: {reason}"
        return reason

    def ended(self, trial: Trial) -> None:
        """Take note of how a trial has ended."""
        if self._first.get(trial.setting) == trial.number:
            self._judge.ended(trial)
