"""`trainrun best SWEEP`: print the command line that trains a sweep's winner."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.ui import console

WAY_OUT = "--direction minimize or --direction maximize"


def main(argv: Sequence[str]) -> int:
    """Print the winner's command line, so that a shell can use it; where it lies goes to standard error."""
    parser = Parser(
        prog="trainrun best",
        description="Print where the trained winner lies (to standard error) and the command line that trains it again; with several objectives, one for each trial of the "
        "Pareto front.",
    )
    parser.add_argument("sweep", help="a sweep's directory, name, or `last`")
    parser.add_argument(
        "--objective",
        nargs="+",
        metavar="NAME",
        help="rank by another metric, or by several (default: as the sweep recorded it)",
    )
    parser.add_argument(
        "--direction",
        nargs="+",
        choices=("minimize", "maximize"),
        help="which way the objective is better, one for all objectives or one for each (default: as the sweep recorded it)",
    )
    options = parser.parse_args(argv)
    from trainrun.config import override_text
    from trainrun.sweep import sweep_record
    from trainrun.sweep.objective import Objective
    from trainrun.sweep.ranking import best as winning
    from trainrun.sweep.ranking import leaderboard
    from trainrun.tracking import find

    sweep_dir = find.sweep(options.sweep)
    settings = sweep_record.read(sweep_dir)["settings"]
    objective, recorded = settings["objective"], settings["direction"]
    if options.objective:
        objective, recorded = options.objective, "auto"
    count = len(objective) if isinstance(objective, list) else 1
    if options.direction and len(options.direction) not in (1, count):
        raise UserError(
            f"--direction: expected one for each objective ({count}), or one for all, got {len(options.direction)}."
        )
    trials = [*sweep_record.trials(sweep_dir)]
    ranked_by = Objective.of(objective, options.direction or recorded, trials, WAY_OUT)
    winners = winning.of(trials, ranked_by)
    if not winners:
        raise UserError(
            leaderboard.unranked(sweep_dir, trials, ranked_by)
            or f"no trial of {sweep_dir} is finished. To continue: trainrun resume {options.sweep}"
        )
    if any(map(override_text.is_about_folds, winners[0].overrides)):
        console.note(
            "The settings were judged by cross-validation. This trains one model with a validation set; with data.validation=0 "
            "data.test=0, on all rows:",
            beside=True,
        )
    for trial in winners:
        if trial.run_dir.is_dir():  # beside the command, which a shell may take
            console.note(f"trained: {os.path.relpath(trial.run_dir)}; to train it again:", beside=True)
        console.say(shlex.join(["trainrun", *leaderboard.alone(trial.overrides)]))
    return 0
