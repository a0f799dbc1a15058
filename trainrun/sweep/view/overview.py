"""A sweep's trials as their directories tell of them, by merit; an ended one is not read whole."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trainrun.sweep import objective as goals
from trainrun.sweep import sweep_record
from trainrun.sweep.trial import RUNNING, Objective, Trial
from trainrun.tracking import find, journal, status


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
    trials = [read(run_dir, points, varying) for run_dir in find.trials(sweep_dir)]
    objective = goals.of(told["settings"], trials)[0]
    order = [t for t in trials if t.status == RUNNING]
    order += objective.ranked(trials)
    seen = {t.number for t in order}
    order += [t for t in trials if t.number not in seen]
    return Overview(order, objective, len(points.keys() - {t.number for t in trials}))


def read(run_dir: Path, points: dict[int, list[str]], varying: frozenset[str]) -> Trial:
    """Return one trial.

    Args:
        run_dir: its directory.
        points: number -> overrides, as far as the sweep has written them down.
        varying: the keys that the sweep varies.
    """
    path, number = run_dir / status.JOURNAL, int(run_dir.name) if run_dir.name.isdigit() else -1
    overrides = points.get(number)
    if overrides is None:  # a sweeper's own point
        overrides = [str(o) for o in journal.first(path).get("overrides") or []]
    trial = Trial(number, overrides, sweep_record.varied(overrides, varying), run_dir, {})
    last = next(iter(journal.last(path)), {})
    if last.get("kind") == "end":
        now = status.RunStatus(str(last.get("status")), last.get("reason"), {}, 0, {}, None)
    else:
        now = status.settle(run_dir)
        trial.config = now.start.get("config") or {}
    sweep_record.look(trial, now)
    trial.status, trial.reason = now.status, now.reason
    trial.epochs = trial.epochs or int(trial.figures.get("epochs", 0))
    trial.metrics = trial.metrics or {k: v for k, v in now.metrics.items() if isinstance(v, int | float)}
    return trial
