"""The winners of a sweep: the best trial; of several objectives the Pareto front; of several seeds the median one."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import pareto, seed_replicates
from trainrun.sweep.trial import Trial


def of(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the winners in the order of the first objective; empty if no trial has finished.

    Args:
        trials: of the sweep.
        objective: of the sweep.
    """
    if seed_replicates.replicated(trials):
        return _settings(trials, objective)
    ranked = objective.ranked(list(trials))
    return pareto.front(ranked, objective.all) if objective.others else ranked[:1]


def _settings(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the median seed of the setting with the best mean, or of each setting on the Pareto front."""
    ranked = seed_replicates.ranked(seed_replicates.group(trials), objective)
    if objective.others:
        front = {t.number for t in pareto.front([s.together() for s in ranked], objective.all)}
        return [seed_replicates.median(s, objective) for s in ranked if s.number in front]
    return [seed_replicates.median(s, objective) for s in ranked[:1]]
