"""The report of a sweep: leaderboard in tiers, importance of the parameters, how they act, learning curves, Pareto front."""

from __future__ import annotations

import os
import shlex
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.artifacts import page, report, result_table
from trainrun.artifacts.page import Section, Table
from trainrun.artifacts.svg_chart import number
from trainrun.config.override_text import REPLICATES
from trainrun.sweep import background_plots, sweep_record
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import leaderboard, parameter_importance, pareto, seed_replicates, tiers
from trainrun.sweep.ranking.seed_leaderboard import number_ranges
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import marginal_plots, overview, sweep_charts, sweep_plots
from trainrun.tracking import status, summary
from trainrun.ui import console
from trainrun.util import paths, redaction
from trainrun.util.durations import text as duration

SHOWN = 50  # rows of the leaderboard


def write(sweep_dir: Path, path: Path | None = None) -> Path:
    """Write the report of a sweep; one that runs is shown as it is now.

    Args:
        sweep_dir: the sweep's directory.
        path: of the page; by default `report.html` in the sweep's directory.

    Raises:
        UserError: the record of the sweep cannot be read, or the page cannot be written there.
    """
    if path is not None:
        paths.require_output(path)
    settings = sweep_record.read(sweep_dir)["settings"]
    if status.read(sweep_dir).drawing:  # the process in the background was killed, or is still at it
        with console.hushed():
            background_plots.complete(sweep_dir)
    state = overview.of(sweep_dir)
    trials, objectives = state.trials, state.objective.all if state.objective else ()
    ended = [t for t in trials if t.status == "FINISHED"]
    head = [("trials", f"{len(trials):,}", f"{state.waiting:,} have not begun" if state.waiting else "")]
    head += [
        (word.lower(), f"{count:,}", "")
        for word in summary.STATUSES
        if (count := sum(t.status == word for t in trials))
    ]
    head.append(("of all trials together", duration(sum(t.seconds for t in trials)), ""))
    return page.write(
        path or sweep_dir / report.FILE,
        f"sweep {sweep_dir.name}",
        status.read(sweep_dir).status,
        head,
        [
            *(_ranking(sweep_dir, trials, objectives[0]) if objectives and ended else []),
            *(_pareto(trials, objectives) if len(objectives) > 1 else []),
            *(_parameters(trials, objectives[0]) if objectives and ended else []),
            *(_curves(trials, objectives[0]) if objectives else []),
            _failures(trials),
            _asked(sweep_dir, settings),
        ],
    )


def _ranking(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> list[Section]:
    """Return the leaderboard: a row for each setting, with its tier."""
    ranked = seed_replicates.ranked(seed_replicates.group(trials), objective)
    if not ranked:
        return []
    name, best = objective.name, ranked[0]
    examples = summary.examples(summary.read_or_empty(best.trials[0].run_dir), name)
    places = tiers.tiers(ranked, objective, examples)
    rows = []
    for rank, setting in enumerate(ranked[:SHOWN], 1):
        values = setting.values(name)
        between = seed_replicates.interval(values)
        rows.append(
            [
                str(rank),
                str(places[rank - 1]) if places else "",
                number(statistics.fmean(values)),
                " ".join(redaction.words(setting.varied)) or "default",
                f"{number(between[0])} to {number(between[1])}" if between else "",
                *(number(statistics.fmean(setting.values(o.name))) for o in objective.others),
                number_ranges([t.number for t in setting.trials]),
                duration(sum(t.seconds for t in setting.trials)),
            ]
        )
    others = [o.name for o in objective.others]
    # What a telephone shows without scrolling: value and setting.
    columns = ["rank", "tier", name, "setting", "95% interval", *others, "trial", "time"]
    columns, rows = result_table.filled(columns, rows)
    marked = [i for i in range(len(rows)) if places and places[i] == 1] or [0]
    table = Table(columns, rows, marked, texts=[columns.index("setting")])
    if places is None:
        note = "One run of each setting: whether two settings differ cannot be told. seeds=3 trains each three times."
    else:
        first = sum(place == 1 for place in places)
        note = (
            f"Settings of one tier cannot be told apart from its best (5% error): {first:,} share the first."
        )
    if len(ranked) > SHOWN:
        note += f" {len(ranked) - SHOWN:,} more are in {leaderboard.FILE}."
    alone = shlex.join(redaction.words(leaderboard.alone(best.overrides)))
    trial = f"{sweep_dir.name}/{seed_replicates.median(best, objective).number}"
    return [
        Section("leaderboard", "Leaderboard", tables=[table], note=note),
        Section(
            "best",
            "The best setting, alone",
            command=f"trainrun {alone}\ntrainrun report {shlex.quote(trial)}",
        ),
    ]


def _pareto(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Section]:
    best = pareto.front(trials, objectives)
    rows = [
        [str(t.number), *(number(t.value(o.name)) for o in objectives), " ".join(redaction.words(t.varied))]
        for t in best[:SHOWN]
    ]
    table = Table(["trial", *(o.name for o in objectives), "setting"], rows, texts=[len(objectives) + 1])
    return [
        Section(
            "pareto",
            "Pareto front",
            tables=[table] if rows else [],
            panels=[*sweep_charts.pareto(trials, objectives)],
        )
    ]


def _parameters(trials: Sequence[Trial], objective: Objective) -> list[Section]:
    """Return importance, parallel coordinates and slices of the parameters."""
    shown = marginal_plots.valued(trials, objective, partial(sweep_plots.reached, objective=objective))
    ranked = [t for t, _, whole in shown if whole]
    if len(ranked) < 2:
        return []
    keys = marginal_plots.varied([t for t, _, _ in shown])
    keys = {
        k: [None if t is None else str(redaction.under(k, t)) for t in typed]
        for k, typed in keys.items()
        if k not in REPLICATES
    }
    if not keys:
        return []
    values = [y for _, y, whole in shown if whole]
    finished = {k: typed[: len(ranked)] for k, typed in keys.items()}
    shares = parameter_importance.importance(
        {k: typed for k, typed in finished.items() if len(set(typed)) > 1}, values
    )
    order = [*shares, *(k for k in keys if k not in shares)]
    rows = [[k, f"{shares[k]:.0%}"] for k in shares]
    return [
        Section(
            "importance",
            "Importance of the parameters",
            tables=[Table(("parameter", "share of the variance"), rows)] if rows else [],
            note=f"fANOVA of {len(values):,} finished trials: the share of the variance of {objective.name} that each explains alone or with "
            "others. Of few trials it is a hint.",
        ),
        Section(
            "parameters",
            "Parameters",
            panels=[
                sweep_charts.parallel(
                    {k: finished[k] for k in order}, values, [t.number for t in ranked], objective
                ),
                *sweep_charts.slices(
                    {k: keys[k] for k in order[: marginal_plots.MOST_KEYS]}, shown, objective
                ),
            ],
        ),
    ]


def _curves(trials: Sequence[Trial], objective: Objective) -> list[Section]:
    panel = sweep_charts.curves(sweep_plots.learned(trials, objective), objective)
    return [Section("curves", "Learning curves", panels=[panel])] if panel else []


def _failures(trials: Sequence[Trial]) -> Section:
    rows = [
        [str(t.number), t.status, redaction.text((t.reason or "").partition("\n")[0])]
        for t in trials
        if t.status in ("FAILED", "KILLED")
    ]
    return Section(
        "failed",
        "Failed",
        tables=[Table(("trial", "status", "reason"), rows[:SHOWN], texts=(2,))] if rows else [],
    )


def _asked(sweep_dir: Path, settings: Mapping[str, Any]) -> Section:
    """Return the command of the sweep, and what it varies."""
    command = shlex.join(redaction.words([str(word) for word in settings["command"]]))
    details = [("varied", ", ".join(sorted(settings["varying"]))), ("directory", os.path.relpath(sweep_dir))]
    return Section("asked", "What was asked", command=command, details=details)
