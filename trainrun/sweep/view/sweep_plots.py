"""Plots of a sweep: final values, learning curves, the effect of each varied key, and the Pareto front."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.sweep import objective as goals
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking.pareto import pairs
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import marginal_plots
from trainrun.sweep.view.marginal_plots import BLUE, GREY, ORANGE, RED
from trainrun.tracking import journal, status
from trainrun.ui import console
from trainrun.util import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "plots"
MOST_CURVES = 150  # of thousands of trials, the best and some of the others are drawn


def write(sweep_dir: Path, trials: Sequence[Trial], settings: Mapping[str, Any]) -> list[Path]:
    """Draw the plots into `plots/`; a plot that fails is a warning.

    Args:
        sweep_dir: the sweep's directory.
        trials: that have ended.
        settings: see `sweep_settings.settings`; nothing is drawn if `plots` is false, or for a single trial.

    Returns:
        The files written.
    """
    if not settings.get("plots") or len(trials) < 2:
        return []
    from trainrun.artifacts.figure_style import save

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    written = []
    for name, draw in _figures(trials, settings):
        try:
            (sweep_dir / FOLDER).mkdir(exist_ok=True)
            figure = draw()
            path = sweep_dir / FOLDER / f"{name}.png"
            save(figure, path)
            written.append(path)
        except Exception as error:
            console.warn(f"plots/{name}.png was not drawn ({type(error).__name__}: {error}).")
    return written


def _figures(
    trials: Sequence[Trial], settings: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    objectives = goals.of(settings, trials)
    for i, objective in enumerate(objectives):
        if not objective.ranked(list(trials)):
            continue
        end = f"_{objective.name}" if i else ""
        yield f"objective{end}", lambda o=objective: history(trials, o)
        if marginal_plots.varied([t for t in trials if t.status in ("FINISHED", "PRUNED")]):
            where = partial(reached, objective=objective)
            yield (
                f"effects{end}",
                lambda o=objective, where=where: marginal_plots.draw(trials, o, where),
            )
    learning = learned(trials, objectives[0])
    if any(len(values) for _, _, values in learning):
        yield "curves", lambda: curves(learning, objectives[0])
    if len(objectives) > 1:
        yield "pareto", lambda: pareto(trials, objectives)


def history(trials: Sequence[Trial], objective: Objective) -> Figure:
    """Plot each trial's final value and the best so far."""
    from trainrun.artifacts.figure_style import sheet

    figure, (axes,) = sheet(1, width=7.6, height=4.2)
    finished = [(t.number, v) for t in trials if t.status == "FINISHED" and (v := t.value(objective.name)) is not None]  # fmt: skip
    finished.sort()
    size = marginal_plots.marker_size(len(finished))
    axes.scatter(*zip(*finished, strict=True), s=size, color=BLUE, alpha=0.65, linewidths=0, label="finished",
                 zorder=3)  # fmt: skip
    pruned = [(t.number, v) for t in trials if t.status == "PRUNED" and (v := reached(t, objective)) is not None]  # fmt: skip
    if pruned:
        axes.scatter(*zip(*pruned, strict=True), s=size, facecolors="none", edgecolors=GREY, linewidths=0.9,
                     label="pruned, where it was", zorder=2)  # fmt: skip
    best, steps = None, []
    for number, value in finished:
        if goals.better(objective, value, best):
            best = value
            steps.append((number, value))
    steps.append((max(t.number for t in trials), best))
    axes.step(*zip(*steps, strict=True), where="post", color=ORANGE, lw=1.8, label="best so far", zorder=4)
    top = objective.ranked(list(trials))[0]
    axes.plot(top.number, top.value(objective.name), "o", ms=10, mfc="none", mec=ORANGE, mew=1.6, zorder=5)
    failed = [t.number for t in trials if t.status in ("FAILED", "KILLED")]
    if failed:
        axes.plot(failed, [0.015] * len(failed), "x", color=RED, ms=5, mew=1.3, clip_on=False, label="failed",
                  transform=axes.get_xaxis_transform(), zorder=5)  # fmt: skip
    _scale(axes, [v for _, v in (*finished, *pruned)])
    axes.set(xlabel="trial", ylabel=objective.name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(
        f"{objective.name} {top.value(objective.name):.4g} in trial {top.number}", loc="left", fontsize=11
    )
    _legend(axes)
    return figure


def learned(
    trials: Sequence[Trial], objective: Objective
) -> list[tuple[Trial, str, list[tuple[int, float]]]]:
    """Return trials, the metric of each, and its values by epoch; the best first, at most as many as a plot can show."""
    order = objective.ranked(list(trials))
    seen = {id(t) for t in order}
    order += [t for t in trials if id(t) not in seen]
    if len(order) > MOST_CURVES:  # the best third, and an even selection of the others
        rest = order[MOST_CURVES // 3 :]
        order = order[: MOST_CURVES // 3] + rest[:: math.ceil(len(rest) / (MOST_CURVES * 2 // 3))]
    return [(t, *_curve(t, objective)) for t in order]


def curves(learning: Sequence[tuple[Trial, str, list[tuple[int, float]]]], objective: Objective) -> Figure:
    """Plot the trials' learning curves, the best in front."""
    from trainrun.artifacts.figure_style import sheet

    figure, (axes,) = sheet(1, width=7.6, height=4.2)
    alpha = min(0.75, max(0.16, 8 / len(learning)))
    seen, numbers = set(), []
    for i, (trial, _, values) in reversed(list(enumerate(learning))):
        values = [(e, v) for e, v in values if math.isfinite(v)]
        if not values:
            continue
        numbers += [v for _, v in values]
        best = i == 0 and trial.status == "FINISHED"
        kind = "best" if best else "finished" if trial.status == "FINISHED" else "pruned" if trial.status == "PRUNED" else "failed"  # fmt: skip
        look = {
            "best": {"color": ORANGE, "lw": 2.4, "zorder": 5},
            "finished": {"color": BLUE, "lw": 1.1, "alpha": alpha, "zorder": 3},
            "pruned": {"color": GREY, "lw": 0.9, "alpha": max(alpha, 0.35), "zorder": 2},
            "failed": {"color": RED, "lw": 0.9, "alpha": 0.6, "zorder": 2},
        }[kind]
        label = None if kind in seen else f"best: trial {trial.number}" if best else kind
        seen.add(kind)
        single = len(values) == 1
        axes.plot(*zip(*values, strict=True), label=label, marker="o" if single else None, ms=3, **look)
        if kind in ("pruned", "failed") and not single:
            axes.plot(*values[-1], "|" if kind == "pruned" else "x", color=look["color"], ms=5, zorder=2)
    _scale(axes, numbers)
    name = next((n for _, n, values in learning if values), objective.name)
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{name} of {len(learning)} trials", loc="left", fontsize=11)
    _legend(axes)
    return figure


def _legend(axes: Axes) -> None:
    """Put the legend beside the title, where it hides no trial; the best comes first."""
    handles, labels = axes.get_legend_handles_labels()
    words = ("best", "finished", "pruned", "failed")
    order = sorted(range(len(labels)), key=lambda i: [labels[i].startswith(w) for w in words].index(True))
    legend = axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        frameon=False,
        fontsize=8,
        ncols=len(order),
        loc="lower right",
        bbox_to_anchor=(1.0, 0.985),
        borderaxespad=0.2,
        columnspacing=1.4,
        handletextpad=0.5,
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1)


def pareto(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Figure:
    """Plot each pair of objectives against each other, with the Pareto front."""
    from trainrun.artifacts.figure_style import sheet

    drawn = [*pairs(trials, objectives)]
    figure, panels = sheet(len(drawn), width=5.4, height=4.4)
    for axes, (across, up, points, ahead) in zip(panels, drawn, strict=True):
        if not points:
            continue
        xs, ys = zip(*points.values(), strict=True)
        axes.scatter(xs, ys, s=24, color=BLUE, alpha=0.55, linewidths=0, label="finished", zorder=2)
        line = [(*points[number], number) for number in ahead]
        # Between two points of the front the worse value of both holds.
        where = "pre" if across.maximize else "post"
        axes.step([p[0] for p in line], [p[1] for p in line], where=where, color=ORANGE, lw=1.4, zorder=3)
        axes.plot([p[0] for p in line], [p[1] for p in line], "o", ms=7, mfc="white", mec=ORANGE, mew=1.6,
                  label="Pareto front", zorder=4)  # fmt: skip
        if len(line) <= 12:
            for x, y, number in line:
                axes.annotate(str(number), (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8,
                              color=ORANGE)  # fmt: skip
        _scale(axes, ys)
        _scale(axes, xs, "x")
        axes.set(xlabel=_aim(across), ylabel=_aim(up))
        axes.set_title(f"{len(line)} of {len(points)} trials on the front", loc="left")
        axes.legend(frameon=False, fontsize=8)
    return figure


def _aim(objective: Objective) -> str:
    return f"{objective.name} ({'more' if objective.maximize else 'less'} is better)"


def _curve(trial: Trial, objective: Objective) -> tuple[str, list[tuple[int, float]]]:
    """Return a trial's values of the objective by epoch, or of the nearest metric that it reports: (name, [(epoch, value)])."""
    path, values, name = trial.run_dir / status.JOURNAL, {}, objective.name
    try:
        # Only lines that may be epochs are decoded: a start record has the whole config.
        lines = [line for line in paths.content(path).splitlines() if b'"kind":"epoch"' in line]
    except OSError:
        return name, []
    for line in lines:
        record = journal.record(line)
        nearest = goals.measured(objective, (record or {}).get("metrics") or {})
        if nearest is not None and isinstance(record.get("epoch"), int):
            name = nearest[0]
            values[record["epoch"]] = nearest[1]  # a later attempt replaces an earlier one
    return name, sorted(values.items())


def reached(trial: Trial, objective: Objective) -> float | None:
    """Return the last value that a pruned trial reported."""
    _, values = _curve(trial, objective)
    return values[-1][1] if values and math.isfinite(values[-1][1]) else None


def _scale(axes: Axes, values: Sequence[float], axis: str = "y") -> None:
    """Choose a logarithmic axis where the values span much, and a linear one elsewhere."""
    if marginal_plots.wide(values):
        (axes.set_yscale if axis == "y" else axes.set_xscale)("log")
