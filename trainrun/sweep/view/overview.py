"""A sweep's trials by rank, from their directories; of ended trials only the end of the journal is read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trainrun.errors import UserError
from trainrun.sweep import objective as goals
from trainrun.sweep import removed_trials, sweep_record
from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.tracking import find


class Overview(NamedTuple):
    """The state of a sweep.

    Args:
        trials: that have begun: those that run, then the others, the best first, then those without a value.
        objective: of the ranking; None: no direction is recorded or declared.
        waiting: number of recorded points that have not begun.
    """

    trials: list[Trial]
    objective: Objective | None
    waiting: int


def of(sweep_dir: Path) -> Overview:
    """Return a sweep's trials; one whose status is RUNNING and whose process has died is marked KILLED.

    Args:
        sweep_dir: the sweep's directory.
    """
    recorded = sweep_record.read(sweep_dir)
    points, varying = dict(recorded["points"]), recorded["settings"]["varying"]
    begun = (sweep_record.trial(run_dir, points, varying) for run_dir in find.trials(sweep_dir))
    trials = [sweep_record.settled(trial) for trial in begun]
    gone = removed_trials.read(sweep_dir)
    absent = points.keys() & gone.keys() - {t.number for t in trials}
    trials += (
        removed_trials.restore(sweep_record.trial(sweep_dir / str(n), points, varying), gone)
        for n in sorted(absent)
    )
    try:
        objective = goals.of(recorded["settings"], trials)[0]
    except UserError:
        objective = None
    order = [t for t in trials if t.status == RUNNING]
    order += objective.ranked(trials) if objective else []
    seen = {t.number for t in order}
    order += [t for t in trials if t.number not in seen]
    return Overview(order, objective, len(points.keys() - {t.number for t in trials}))
