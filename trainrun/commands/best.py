"""`trainrun best SWEEP`: print the command line that trains a sweep's winner."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from trainrun.errors import UserError
from trainrun.ui import console


def main(argv: Sequence[str]) -> int:
    """Print the winner's command line and nothing else, so that a shell can use it."""
    if not argv or argv[0] in ("-h", "--help") or len(argv) > 1:
        console.say(
            "trainrun best SWEEP: print the command line that trains the winner; with several objectives one for each trial "
            "of the Pareto front. SWEEP is a directory, or `last`."
        )
        return 0 if argv and len(argv) == 1 else 2
    from trainrun.sweep import sweep_record
    from trainrun.sweep.ranking import best as winning
    from trainrun.sweep.ranking import leaderboard
    from trainrun.sweep.trial import Objective
    from trainrun.tracking import find

    sweep_dir = find.sweep(argv[0])
    settings = sweep_record.read(sweep_dir)["settings"]
    trials = [*sweep_record.trials(sweep_dir)]
    winners = winning.of(trials, Objective.of(settings["objective"], settings["direction"], trials))
    if not winners:
        raise UserError(f"no trial of {Path(sweep_dir)} is finished. To continue: trainrun resume {argv[0]}")
    for trial in winners:
        console.say(shlex.join(["trainrun", *leaderboard.alone(trial.overrides)]))
    return 0
