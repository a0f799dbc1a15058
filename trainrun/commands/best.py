"""`trainrun best SWEEP`: the command line that trains the winner of a sweep."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun import console
from trainrun.errors import UserError

if TYPE_CHECKING:
    from trainrun.sweep.trial import Objective, Trial


def main(argv: Sequence[str]) -> int:
    """Print the winner's command line, and nothing else, so that a shell can take it."""
    if not argv or argv[0] in ("-h", "--help") or len(argv) > 1:
        console.say(
            "trainrun best SWEEP: the command line that trains the winner; of several objectives one for each trial of the "
            "Pareto front. SWEEP is its directory, or `last`."
        )
        return 0 if argv and len(argv) == 1 else 2
    from trainrun.sweep import leaderboard, pareto, record, replicates
    from trainrun.sweep.trial import Objective
    from trainrun.tracking import find

    sweep_dir = find.sweep(argv[0])
    settings = record.read(sweep_dir)["settings"]
    trials = [*record.trials(sweep_dir)]
    objective = Objective.of(settings["objective"], settings["direction"], trials)
    ranked = objective.ranked(trials)
    winners = pareto.front(ranked, objective.all) if objective.others else ranked[:1]
    if replicates.replicated(trials):
        winners = _settings(trials, objective)
    if not winners:
        raise UserError(f"no trial of {Path(sweep_dir)} is finished. To go on: trainrun resume {argv[0]}")
    for trial in winners:
        console.say(shlex.join(["trainrun", *leaderboard.alone(trial.overrides)]))
    return 0


def _settings(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return of the setting with the best mean, or of each on the Pareto front, the seed that came out in the middle."""
    from trainrun.sweep import pareto, replicates

    ranked = replicates.ranked(replicates.group(trials), objective)
    if objective.others:
        front = {t.number for t in pareto.front([s.together() for s in ranked], objective.all)}
        return [replicates.median(s, objective) for s in ranked if s.number in front]
    return [replicates.median(s, objective) for s in ranked[:1]]
