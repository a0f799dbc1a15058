"""trainrun's sweepers with a launcher of another package, such as Hydra's `basic`, which runs a batch and returns at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.sweep.objective import Objective
from trainrun.sweep.space.trial_source import Point, Points
from trainrun.sweep.trial import WAITING, Trial

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

    from trainrun.sweep.loop import SweepResult


def outline(number: int, overrides: Sequence[str]) -> Trial:
    """Return the trial of a point without its config, which the launcher composes."""
    return Trial(number, list(overrides), list(overrides), Path(), {})


def run(launcher: Launcher, points: Points, settings: Mapping[str, Any], sweep_dir: Path) -> SweepResult:
    """Run the points batch by batch; `points` gets the results of a batch before the next one is drawn."""
    from trainrun.sweep import loop, sweep_journal, sweep_record
    from trainrun.sweep.ranking import leaderboard
    from trainrun.sweep.view import sweep_plots

    known = getattr(points, "known", ())
    sweep_record.write(sweep_dir, known, settings)
    size = max(1, len(known)) if known else settings["sweeper"].get("batch_size") or 1
    trials: list[Trial] = []
    with sweep_journal.of(sweep_dir, settings, points.total, 1, ()) as book:
        while points.left:
            batch: list[Point] = []
            while len(batch) < size and (point := points.take()) is not None:
                batch.append(point)
            made = {p.number: list(p.overrides or ()) for p in batch}
            if not known:
                sweep_record.add(sweep_dir, [*made.items()])
            launcher.launch([p.overrides for p in batch], initial_job_idx=batch[0].number)
            for point in batch:
                run_dir = sweep_dir / str(point.number)
                trial = sweep_record.settled(sweep_record.trial(run_dir, made, settings["varying"]))
                if trial.status == WAITING:
                    trial.status, trial.reason = "FAILED", "it did not start; see the error above"
                trials.append(trial)
                points.ended(trial)
                book.ended(trial)
        objective = Objective.of(settings["objective"], settings["direction"], trials)
        table = leaderboard.write(sweep_dir, trials, objective)
        book.end(None, None, [table, *sweep_plots.write(sweep_dir, trials, settings)])
    leaderboard.show(sweep_dir, trials, objective, points.total)
    return loop.SweepResult(sweep_dir, trials, objective)
