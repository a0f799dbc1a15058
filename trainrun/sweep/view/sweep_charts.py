"""The charts of a sweep's report: parallel coordinates, slices, learning curves, Pareto front."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

import numpy as np

from trainrun.artifacts.svg_chart import (
    BOTTOM,
    EPOCH,
    HEIGHT,
    TOP,
    WIDTH,
    Axis,
    Chart,
    Panel,
    cut,
    drawing,
    number,
    span,
    tick,
)
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking.pareto import pairs
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import marginal_plots
from trainrun.sweep.view.marginal_plots import strip_offset, wide
from trainrun.util import finite

AXES = 6  # of parallel coordinates, the objective among them
LINES = 300  # trials that are drawn there: the best
NAMES = 8  # of a slice; more are drawn at the last place


def parallel(
    keys: Mapping[str, Sequence[str | None]],
    values: Sequence[float],
    numbers: Sequence[int],
    objective: Objective,
) -> Panel:
    """Return parallel coordinates: a line for each trial through its parameters and the objective.

    Args:
        keys: each trial's values, as typed, by key; the first ones are drawn.
        values: of the objective, the best first.
        numbers: of the trials.
        objective: of the sweep.
    """
    shown = [*keys][: AXES - 1]
    places = np.linspace(20, WIDTH - 44, len(shown) + 1)
    axes, lines, columns = [], [], []
    for x, key in zip(places, shown, strict=False):
        typed = keys[key]
        figures = [finite.number(t) for t in typed]
        if all(f is not None for f in figures):
            axis = _axis(figures, marginal_plots.logarithmic(figures))
            columns.append(axis.place(figures))
            ends = [(axis.high, TOP), (axis.low, HEIGHT - BOTTOM)]
            marks = [(tick(v), y) for v, y in ends]
        else:
            names = _ordered(typed)
            axis = _axis([0.0, max(len(names) - 1.0, 1.0)], False)
            columns.append(axis.place([names.index(t or "") for t in typed]))
            every = max(1, len(names) // 8)
            marks = [(cut(n, 8), float(axis.place([i])[0])) for i, n in enumerate(names) if i % every == 0]
        axes += _upright(x, key.rpartition(".")[2], marks)
    axis = _axis(values, wide(values))
    columns.append(axis.place(values))
    axes += _upright(places[-1], objective.name, [(tick(axis.high), TOP), (tick(axis.low), HEIGHT - BOTTOM)])
    best = max(1, len(values) // 10)
    for i in reversed(range(min(len(values), LINES))):
        points = " ".join(f"{x:.1f},{column[i]:.1f}" for x, column in zip(places, columns, strict=True))
        setting = ", ".join(f"{k.rpartition('.')[2]}={keys[k][i]}" for k in keys)
        title = escape(f"trial {numbers[i]}: {objective.name} {number(values[i])}; {setting}")
        style = "s1" if i < best else "fade"
        lines.append(f'<polyline class="line {style}" points="{points}"><title>{title}</title></polyline>')
    return Panel(
        "Parallel coordinates",
        drawing([*lines, *axes], "Parallel coordinates"),
        legend=[("s1", "the best tenth"), ("fade", "the others")],
    )


def _axis(values: Sequence[float], log: bool) -> Axis:
    return Axis(min(values), max(values), HEIGHT - BOTTOM, TOP, log)


def _upright(x: float, name: str, marks: Sequence[tuple[str, float]]) -> list[str]:
    """Return an axis of parallel coordinates: its name below it, its marks beside it."""
    bottom = HEIGHT - BOTTOM
    texts = [
        f'<text class="small" x="{x + 3:.1f}" y="{y + 3:.1f}">{escape(text)}</text>' for text, y in marks
    ]
    x_label, anchor = (
        (x, "middle") if x > 40 else (4.0, "start")
    )  # the first one would be cut off at the left
    label = f'<text class="small" x="{x_label:.1f}" y="{bottom + 20}" text-anchor="{anchor}">{escape(cut(name, 14))}</text>'
    return [f'<path class="axis" d="M{x:.1f} {TOP}V{bottom}"/>', *texts, label]


def slices(
    keys: Mapping[str, Sequence[str | None]],
    shown: Sequence[tuple[Trial, float, bool]],
    objective: Objective,
) -> Iterator[Panel]:
    """Yield the objective against each parameter; the best trial is ringed, and one that lacks the parameter has no dot.

    Args:
        keys: each trial's values, as typed, by key.
        shown: see `marginal_plots.valued`; a pruned one has the value where it was.
        objective: of the sweep.
    """
    values = [y for _, y, _ in shown]
    y_log = wide(values)
    ends = (min(values), max(values)) if y_log else span(values)
    for key, typed in keys.items():
        dots = marginal_plots.dots(typed, shown)
        figures = [finite.number(d.x) for d in dots]
        if all(f is not None for f in figures):
            log = marginal_plots.logarithmic(figures)
            places = (min(figures), max(figures)) if log else span(figures)
            chart = Chart(key, places, ends, "", objective.name, log, y_log)
            across = np.array(figures)
        else:
            names = _ordered(d.x for d in dots)
            names = names if len(names) <= NAMES else [*names[: NAMES - 1], "others"]
            at = {name: i for i, name in enumerate(names)}
            chart = Chart(key, (-0.5, len(names) - 0.5), ends, "", objective.name, log_y=y_log, names=names)
            strips = [at.get(d.x, len(names) - 1) for d in dots]
            across = np.array([strip + 0.4 * strip_offset(i) for i, strip in enumerate(strips)])
        up, whole = np.array([d.y for d in dots]), np.array([d.whole for d in dots])
        chart.points(
            across[~whole], up[~whole], "rest", name="pruned, where it was" if (~whole).any() else ""
        )
        chart.points(across[whole], up[whole], "s0", name="finished" if (~whole).any() else "")
        if dots[0].best:
            chart.ring(float(across[0]), dots[0].y, name="best")
        yield chart.panel()


def _ordered(typed: Iterable[str | None]) -> list[str]:
    """Return different typed values, numbers by their size before texts; a missing one is the empty text."""
    values = {text or "": finite.number(text) for text in typed}
    return sorted(values, key=lambda text: (values[text] is None, values[text] or 0.0, text))


def curves(
    learning: Sequence[tuple[Trial, str, list[tuple[int, float]]]], objective: Objective
) -> Panel | None:
    """Return the trials' learning curves, the best in front and pruned ones faded; None without any.

    Args:
        learning: of `sweep_plots.learned`.
        objective: of the sweep.
    """
    points = [(e, v) for _, _, values in learning for e, v in values if math.isfinite(v)]
    if not points:
        return None
    name = next((n for _, n, values in learning if values), objective.name)
    all_values = [v for _, v in points]
    log = wide(all_values)
    last = max(e for e, _ in points)
    ends = (min(all_values), max(all_values)) if log else span(all_values)
    chart = Chart(f"Learning curves: {name}", (min(1, last - 1), max(last, 2)), ends, EPOCH, log_y=log)
    seen: set[str] = set()
    for i, (trial, _, values) in reversed([*enumerate(learning)]):
        best = i == 0 and trial.status == "FINISHED"
        style, kind = (
            ("s1", "best")
            if best
            else ("s0 thin", "finished")
            if trial.status == "FINISHED"
            else ("fade", "pruned or stopped")
        )
        if any(math.isfinite(v) for _, v in values):
            at, up = zip(*values, strict=True)
            chart.line(at, up, f"trial {trial.number}", style, legend=False)
            if kind not in seen:
                seen.add(kind)
                chart.legend(style, f"best: trial {trial.number}" if best else kind)
    return chart.panel()


def pareto(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Iterator[Panel]:
    """Yield each pair of objectives against each other, with the Pareto front."""
    for across, up, points, ahead in pairs(trials, objectives):
        if not points:
            continue
        xs, ys = zip(*points.values(), strict=True)
        log = wide(xs), wide(ys)
        ends = [(min(v), max(v)) if wide_ else span(v) for v, wide_ in zip((xs, ys), log, strict=True)]
        chart = Chart(f"{up.name} against {across.name}", *ends, across.name, up.name, *log)
        chart.points(xs, ys, "s0", name="finished")
        line = [points[i] for i in ahead]
        chart.line([x for x, _ in line], [y for _, y in line], "Pareto front", "s1", dots=True)
        yield chart.panel(f"{len(ahead)} of {len(points)} trials on the front; {'more' if across.maximize else 'less'} {across.name} and "
                          f"{'more' if up.maximize else 'less'} {up.name} are better")  # fmt: skip
