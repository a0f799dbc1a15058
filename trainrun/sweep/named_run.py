"""The run that a word on the command line means: a directory, an id, `last`, `best`, a sweep's trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainrun.errors import Problem, UserError
from trainrun.sweep import sweep_record
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import best as winning
from trainrun.sweep.ranking import leaderboard
from trainrun.tracking import find
from trainrun.ui import console

BEST = "best"


def run(word: str | Path, outputs: str | Path = find.OUTPUTS) -> Path:
    """Return the directory of a run.

    Args:
        word: a run's directory or id, ``SWEEP/TRIAL``, a tracker's run id, ``last``, or ``best``: of the last sweep. A sweep's
            directory or name means its best trial.
        outputs: where runs are.

    Raises:
        UserError: there is no such run, or more than one of that name.
    """
    sweep_dir = sweep(word, outputs)
    if sweep_dir is None:
        return find.run(str(word), outputs)
    winner = best(sweep_dir)
    console.note(f"{sweep_dir.name}: its best trial, {winner.name}", beside=True)
    return winner


def sweep(word: str | Path, outputs: str | Path = find.OUTPUTS) -> Path | None:
    """Return the sweep whose best trial a word means; None if it means another run.

    Args:
        word, outputs: as in `run`.
    """
    word = str(word)
    if word == BEST and not find.is_run(Path(word)):
        return find.sweep(find.LATEST, outputs)
    return find.sweep_named(word, outputs)


def best(sweep_dir: Path) -> Path:
    """Return the directory of a sweep's best trial, by the objective that the sweep recorded.

    Raises:
        UserError: no trial has finished, or nothing ranks them.
    """
    settings = sweep_record.read(sweep_dir)["settings"]
    trials = [*sweep_record.trials(sweep_dir)]
    way_out = (
        f"the trial by its number: {sweep_dir}/0; `trainrun best {sweep_dir} --direction minimize` ranks them"
    )
    objective = Objective.of(settings["objective"], settings["direction"], trials, way_out)
    winners = winning.of(trials, objective)
    if not winners:
        reason = leaderboard.unranked(sweep_dir, trials, objective) or f"no trial of {sweep_dir} is finished."
        raise UserError(reason)
    return winners[0].run_dir


def runs(words: Sequence[str], outputs: str | Path = find.OUTPUTS) -> list[Path]:
    """Return the directories of several runs.

    Raises:
        UserError: with every word that means none.
    """
    folders: list[Path] = []
    problems: list[Problem] = []
    for word in words:
        try:
            folders.append(run(word, outputs))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return folders
