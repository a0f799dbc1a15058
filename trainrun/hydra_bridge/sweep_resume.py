"""Resume a sweep: finished trials stay, interrupted ones continue from their checkpoints, the others begin."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.config import override_text
from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import (
    compose,
    compose_cache,
    override_grammar,
    preflight,
    sweep_additions,
    sweep_settings,
    sweep_sources,
)
from trainrun.hydra_bridge.sweep_additions import Request
from trainrun.sweep import background_plots, loop, snapshot, sweep_record, trial_delivery
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import leaderboard, seed_replicates
from trainrun.sweep.space import seeds
from trainrun.sweep.space.trial_source import Compose, Listed, Point, Points
from trainrun.sweep.trial import RUNNING, WAITING, Trial
from trainrun.tracking import journal, lease, origin, status
from trainrun.ui import console

# Seconds for the trials of a killed sweep to save their state and exit.
SETTLE_TIMEOUT_S = 15.0


def go_on(
    sweep_dir: Path,
    words: Sequence[str],
    command: Sequence[str],
    whole: bool = False,
    take_over: bool = False,
) -> loop.SweepResult:
    """Resume a sweep.

    Args:
        sweep_dir: its directory.
        words: `retry=failed`, `continue=pruned`, `n_jobs=4`, overrides of further points: see `sweep_additions.read`.
        command: as typed.
        whole: whether the overrides are a whole command line, as behind ``-m``.
        take_over: whether the user passed --take-over: the process on the other machine is dead.

    Raises:
        UserError: an argument is invalid, a new point has problems, or the sweep runs.
    """
    sweep_dir = sweep_dir.absolute()
    origin.refuse_links(sweep_dir)
    with lease.held(sweep_dir, lease.SWEEP, take_over):
        record = sweep_record.read(sweep_dir)
        settings = record["settings"]
        request = sweep_additions.read(words, whole, settings)
        born = {"run_dir": journal.first(sweep_dir / status.JOURNAL).get("run_dir"), "cwd": record["cwd"]}
        if (folder := origin.workplace(sweep_dir, born)) is not None:
            os.chdir(folder)
        trials = _settled(sweep_dir)
        _adopt(sweep_dir, trials)
        # New points are composed from the sweep's copies, as the earlier ones: points of a sweep differ by their overrides only.
        with snapshot.of(sweep_dir, settings).used():
            settings, new = _extended(settings, request, trials)
            return _run(sweep_dir, settings, request, trials, new, command, take_over)


def _adopt(sweep_dir: Path, trials: Sequence[Trial]) -> None:
    """Turn a copied sweep and its trials into separate runs, before any of them is delivered."""
    if (original := origin.adopt_idle(sweep_dir)) is not None:
        console.warn(f"{sweep_dir} is a copy of {original}; it goes on as a run of its own.")
    for trial in trials:
        if (trial.run_dir / status.JOURNAL).is_file():
            origin.adopt_idle(trial.run_dir)


def _settled(sweep_dir: Path) -> list[Trial]:
    """Return the trials once none of them runs; those of a killed sweep save their state and exit by themselves."""
    until, announced = time.monotonic() + SETTLE_TIMEOUT_S, False
    while True:
        trials = [*sweep_record.trials(sweep_dir)]
        running = [t for t in trials if t.status == RUNNING]
        if not running:
            return trials
        if time.monotonic() > until or all(lease.alive(t.run_dir, _start(t)) is None for t in running):
            for trial in running:
                if reason := lease.refusal(trial.run_dir, _start(trial)):
                    raise UserError(reason)
                trial.status = "KILLED"  # for all that can be seen from here; its next process looks again
            return trials
        if not announced:
            console.note("its last trials are still saving their state")
        announced = True
        time.sleep(0.2)


def _start(trial: Trial) -> Mapping[str, Any]:
    return status.read(trial.run_dir).start


def _extended(
    settings: dict[str, Any], request: Request, trials: Sequence[Trial]
) -> tuple[dict[str, Any], list[list[str]]]:
    """Return the settings with the changes, and the overrides of new points."""
    if not request.overrides:
        return settings, []
    line = sweep_additions.command(request, settings)
    changed = sweep_additions.differs(line, settings)
    if not changed:
        return settings, []
    draws = (settings.get("sweeper") or {}).get("name") in sweep_sources.DRAWING
    if draws and (other := [k for k in changed if k not in sweep_additions.EXTENDS]):
        raise UserError(
            [
                Problem(
                    k,
                    f"hydra/sweeper={settings['sweeper']['name']} keeps its search space. These may change: "
                    f"{', '.join(sweep_additions.EXTENDS)}. For another space, start another sweep.",
                )
                for k in other
            ]
        )
    existing = [t.overrides for t in trials]
    if seeds.replicates(settings):
        existing = [s.overrides for s in seed_replicates.group(trials)]
    new = [] if draws else sweep_additions.points(line, settings, existing)
    first = new[0] if new else [o for o in line if not override_grammar.swept(o)]
    tree, problems = preflight.overrides(first, *sweep_additions.config_flags(settings))
    if problems:
        raise UserError(problems)
    sweep = sweep_settings.of_sweep(tree["sweep"], tree["seeds"], tree["metric"])
    sweep["folds"] = settings.get("folds")
    own = {k: v for k, v in sweep.items() if k not in ("resume", "space", "zip")}
    varying = {*settings["varying"], *(override_text.key(o) for o in line if override_grammar.swept(o))}
    varying |= {k for k in changed if not override_text.is_about_the_sweep(k)}
    # The recorded command line stays: later additions extend that one, too.
    return {**settings, **own, "varying": frozenset(varying)}, new


def _run(
    sweep_dir: Path,
    settings: dict[str, Any],
    request: Request,
    trials: Sequence[Trial],
    new: Sequence[list[str]],
    command: Sequence[str],
    take_over: bool,
) -> loop.SweepResult:
    from trainrun.sweep.launchers import factory

    again = ["WAITING", "KILLED", "UNKNOWN", *["FAILED"] * request.retry, *["PRUNED"] * request.unprune]
    waiting = [t for t in trials if t.status in again and not t.removed]
    done = [t for t in trials if t.status not in again or t.removed]
    for trial in waiting:
        trial.spared = trial.status == "PRUNED"
        trial.status, trial.reason, trial.metrics, trial.figures = WAITING, None, {}, {}
    sweep_record.write(sweep_dir, [], settings)
    again = [(t, _point(t, settings, take_over)) for t in waiting]
    points = _points(sweep_dir, settings, done, again, new)
    if not points.left:
        if _concluded(sweep_dir, settings, done):
            return _finished(sweep_dir, settings, done)
        console.note(f"all {len(done)} trials have ended; ranking and plots are made again")
        result = loop.conclude(sweep_dir, {**settings, "command": list(command)}, done)
        leaderboard.show_ways_on(sweep_dir, done)
        return result
    begun = sum(point.resume is not None for _, point in again)
    parts = [f"{len(done)} trials stay", f"{begun} go on", f"{len(waiting) - begun} begin"]
    if points.total is not None and (further := points.total - len(waiting)) > 0:
        parts.append(f"{further} are new")
    console.note(", ".join(parts))
    settings = {**settings, "command": list(command)}
    engine = factory.of(settings, points.total or 2**31, request.jobs)
    with compose_cache.enabled():
        return loop.run(sweep_dir, points, settings, engine, done)


def _points(
    sweep_dir: Path,
    settings: Mapping[str, Any],
    done: Sequence[Trial],
    again: Sequence[tuple[Trial, Point]],
    new: Sequence[list[str]],
) -> Points:
    """Return the remaining points of a sweep: trials to continue, points that never began, new ones."""
    begin = partial(_begin, sweep_dir, settings)
    waiting = [t for t, _ in again]
    if seeds.replicates(settings):
        settled = seed_replicates.group([*done, *waiting])
        # The source of the settings counts one trial for each setting, with numbers of its own.
        ended = [
            s.together(i) for i, s in enumerate(settled) if not any(t is w for w in waiting for t in s.trials)
        ]
        open_ = [Point(i, _never, overrides=s.overrides) for i, s in enumerate(settled)]
        existing = [(p.number, list(p.overrides or ())) for p in open_]
        left = [p for p in open_ if p.number not in {t.number for t in ended}]
        source = _drawn(settings, begin, sweep_dir, ended, left, existing)
        if source is None:
            fresh = [Point(len(open_) + i, _never, overrides=o) for i, o in enumerate(new)]
            source = Listed([*open_, *fresh])
        return seeds.of(settings, source, begin, sweep_dir, done, again, len(left))
    source = _drawn(settings, begin, sweep_dir, done, [p for _, p in again])
    if source is not None:
        sweep_record.add(sweep_dir, getattr(source, "known", ()))
        return source
    number = 1 + max((t.number for t in [*done, *waiting]), default=-1)
    lines = [(number + i, overrides) for i, overrides in enumerate(new)]
    sweep_record.add(sweep_dir, lines)
    return Listed([*(p for _, p in again), *(Point(n, partial(begin, n, o), overrides=o) for n, o in lines)])


def _drawn(
    settings: Mapping[str, Any],
    begin: Compose,
    sweep_dir: Path,
    done: Sequence[Trial],
    waiting: Sequence[Point],
    existing: Sequence[tuple[int, list[str]]] | None = None,
) -> Points | None:
    """Return the source of a sweep that draws its points; None for a list of points."""
    if (settings.get("sweeper") or {}).get("name") not in sweep_sources.DRAWING:
        return None
    with compose.application() as hydra:
        return sweep_sources.points(settings, begin, sweep_dir, hydra.config_loader, done, waiting, existing)


def _never() -> Trial:
    raise AssertionError("a setting is no trial: its seeds are")


def _concluded(sweep_dir: Path, settings: Mapping[str, Any], done: Sequence[Trial]) -> bool:
    """Return whether a sweep has its own end and its trials are ranked as they ended."""
    now = status.settle(sweep_dir).status
    objective = Objective.of(settings["objective"], settings["direction"], done)
    return now in ("FINISHED", "FAILED") and leaderboard.is_current(sweep_dir, done, objective)


def _finished(sweep_dir: Path, settings: Mapping[str, Any], done: Sequence[Trial]) -> loop.SweepResult:
    if status.read(sweep_dir).drawing:  # the process in the background was killed, or is still at it
        console.note("its plots are drawn now")
        background_plots.complete(sweep_dir)
    with trial_delivery.of(settings["tracking"]) as deliver:
        deliver.owed([sweep_dir, *(t.run_dir for t in done)])
    ends = [t.status for t in done]
    counts = [f", {ends.count(s)} of them {s.lower()}" for s in ("FAILED", "PRUNED") if s in ends]
    console.say(f"{sweep_dir.name} is finished: {len(done)} trials{''.join(counts)}")
    leaderboard.show_ways_on(sweep_dir, done)
    return loop.SweepResult(sweep_dir, [t for t in done if t.status == "FINISHED"])


def _point(trial: Trial, settings: Mapping[str, Any], take_over: bool) -> Point:
    if (resume := sweep_record.earlier_attempt(trial.run_dir)) is None:
        return Point(trial.number, lambda: _fresh(trial, settings), overrides=trial.overrides)
    return Point(trial.number, lambda: _config(trial), resume | {"take_over": take_over}, trial.overrides)


def _config(trial: Trial) -> Trial:
    """Return a trial with its config; one that was finished by itself since the sweep was resumed is returned as it is."""
    from trainrun.config import saved
    from trainrun.tracking import trackers

    if status.read(trial.run_dir).status == "FINISHED":
        return sweep_record.settled(trial)
    trial.config = saved.load(trial.run_dir, trains=True)
    trackers.restore_secrets(trial.config["tracking"], f"trainrun resume {trial.run_dir.parent}")
    return trial


def _begin(sweep_dir: Path, settings: Mapping[str, Any], number: int, overrides: Sequence[str]) -> Trial:
    """Begin a new point; its directory must not exist."""
    own = [o for o in overrides if not override_text.is_hydra(o)]
    varied = sweep_record.varied(own, settings["varying"])
    return _fresh(Trial(number, own, varied, sweep_dir / str(number), {}), settings)


def _fresh(trial: Trial, settings: Mapping[str, Any]) -> Trial:
    """Compose a point that never began; leftovers of a process that was killed before its first record are removed."""
    import shutil

    from trainrun.tracking import trackers

    config, problems = preflight.overrides(trial.overrides, *sweep_additions.config_flags(settings))
    if problems:
        raise UserError(problems)
    trackers.restore_secrets(config["tracking"], f"trainrun resume {trial.run_dir.parent}")
    shutil.rmtree(trial.run_dir, ignore_errors=True)
    trial.run_dir.mkdir(parents=True)
    trial.config = config
    return trial
