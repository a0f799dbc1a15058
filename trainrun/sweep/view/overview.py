"""A sweep's trials as their directories tell of them, by merit; an ended one is not read whole."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trainrun.sweep import objective as goals
from trainrun.sweep import sweep_record
from trainrun.sweep.trial import RUNNING, Objective, Trial
from trainrun.tracking import find


class Overview(NamedTuple):
    """What there is of a sweep.

    Args:
        trials: that have begun: those that run, then the others, the best first, then those without a value.
        objective: what they are ranked by.
        waiting: how many trials have not begun; those that nobody knows of yet do not count.
    """

    trials: list[Trial]
    objective: Objective
    waiting: int


def of(sweep_dir: Path) -> Overview:
    """Return a sweep's trials; one that says RUNNING and whose process is gone is marked KILLED.

    Args:
        sweep_dir: the sweep's directory.
    """
    told = sweep_record.read(sweep_dir)
    points, varying = dict(told["points"]), told["settings"]["varying"]
    found = (sweep_record.trial(run_dir, points, varying) for run_dir in find.trials(sweep_dir))
    trials = [sweep_record.settled(trial) for trial in found]
    objective = goals.of(told["settings"], trials)[0]
    order = [t for t in trials if t.status == RUNNING]
    order += objective.ranked(trials)
    seen = {t.number for t in order}
    order += [t for t in trials if t.number not in seen]
    return Overview(order, objective, len(points.keys() - {t.number for t in trials}))
