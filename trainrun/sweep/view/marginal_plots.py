"""Plots of the objective against each varied key, one panel for each."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import Trial
from trainrun.util import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_KEYS, MOST_NAMES = 12, 10  # panels of a figure; strips of a panel
FEW = 8  # a number with at most so many values gets a strip for each
BOXED = 4  # trials of a strip from which on a box is drawn
WIDE = 30.0  # ratio of values beyond which an axis is logarithmic
BLUE, ORANGE, GREY, RED = "#0072B2", "#D55E00", "#9A9A9A", "#C0392B"


def marker_size(count: int) -> int:
    """Return the size of so many dots in one panel."""
    return 26 if count <= 100 else 12 if count <= 600 else 6


def wide(values: Sequence[float]) -> bool:
    """Return whether values span so much that their axis is logarithmic."""
    known = [v for v in values if math.isfinite(v)]
    return bool(known) and min(known) > 0 and max(known) / min(known) > WIDE


def strip_offset(i: int) -> float:
    """Return the place of a strip's i-th dot beside its middle, from -0.5 to 0.5: evenly filled, and the same each time."""
    return (i * 0.618034) % 1 - 0.5


def varied(trials: Sequence[Trial]) -> dict[str, list[str | None]]:
    """Return the keys that differ among trials: key -> each trial's value, None where it has none."""
    by_trial = [
        {k.lstrip("+"): v for k, _, v in (o.partition("=") for o in t.overrides) if not k.startswith("~")}
        for t in trials
    ]
    keys = list(dict.fromkeys(k for each in by_trial for k in each))
    by_key = {k: [each.get(k) for each in by_trial] for k in keys}
    return {k: values for k, values in by_key.items() if len(set(values)) > 1}


class Dot(NamedTuple):
    """A trial in a panel.

    Args:
        x: the key's value, as typed.
        y: the objective's.
        whole: whether the trial has finished; a pruned one has the value at its end.
        best: whether it is the best of all.
    """

    x: str
    y: float
    whole: bool
    best: bool


def valued(
    trials: Sequence[Trial], objective: Objective, reached: Callable[[Trial], float | None]
) -> list[tuple[Trial, float, bool]]:
    """Return the trials that have a value of the objective, the value, and whether they have finished; these first, the best first.

    Args:
        trials: that have ended.
        objective: of the sweep.
        reached: returns the value of a pruned trial, or None.
    """
    finished = [(t, t.value(objective.name), True) for t in objective.ranked(list(trials))]
    pruned = [(t, y, False) for t in trials if t.status == "PRUNED" and (y := reached(t)) is not None]
    return finished + pruned


def dots(typed: Sequence[str | None], shown: Sequence[tuple[Trial, float, bool]]) -> list[Dot]:
    """Return the dots of a key; a trial that lacks it has none.

    Args:
        typed: each trial's value.
        shown: see `valued`.
    """
    return [
        Dot(x, y, whole, i == 0)
        for i, (x, (_, y, whole)) in enumerate(zip(typed, shown, strict=True))
        if x is not None
    ]


def draw(
    trials: Sequence[Trial], objective: Objective, reached: Callable[[Trial], float | None] = lambda t: None
) -> Figure:
    """One panel for each varied key; the best trial is ringed in all of them.

    Args:
        trials: that have ended.
        objective: of the sweep.
        reached: returns the value of a pruned trial; None: it is not drawn.
    """
    from trainrun.artifacts.figure_style import sheet

    shown = valued(trials, objective, reached)
    keys = varied([t for t, _, _ in shown])
    # Seeds are repetitions: drawn only if nothing else was varied.
    names = [k for k in keys if k != "seed"][:MOST_KEYS] or list(keys)[:1]
    if not names:
        raise ValueError("no key differs among the trials")
    figure, panels = sheet(
        len(names), width=3.9 if len(names) > 1 else 5.4, height=3.3, columns=2 if len(names) == 4 else 3
    )
    log = wide([y for _, y, _ in shown])
    for axes, key in zip(panels, names, strict=True):
        _panel(axes, dots(keys[key], shown))
        if log:
            axes.set_yscale("log")
        axes.set_title(key, loc="left", fontsize=10)
        axes.set_ylabel(objective.name if axes.get_subplotspec().is_first_col() else "")
    _legend(figure)
    return figure


def _legend(figure: Figure) -> None:
    """Explain the hollow dots once, below all panels: a legend within a panel would look like another trial."""
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        if labels:
            figure.legend(handles[:1], labels[:1], loc="outside lower right", frameon=False, fontsize=8)
            return


def _panel(axes: Axes, dots: Sequence[Dot]) -> None:
    """Draw numbers along an axis; names, and numbers of which there are few, each in a strip of its own."""
    numbers = {d.x: finite.number(d.x) for d in dots}
    if any(n is None for n in numbers.values()):
        groups: dict[str, list[float]] = {}
        for d in dots:
            groups.setdefault(d.x, []).append(d.y)
        _names(axes, dots, sorted(groups, key=lambda x: statistics.median(groups[x])))
    elif len(numbers) <= FEW and len(dots) >= BOXED * len(numbers):
        _names(axes, dots, sorted(numbers, key=numbers.get))
    else:
        _numbers(axes, dots)


def logarithmic(values: Sequence[float]) -> bool:
    """Return whether values look drawn on a logarithmic scale: they span decades, and few lie in the uppermost one.

    A range that begins near zero may be linear: half the values of a dropout between 0 and 0.5 lie above 0.25.
    """
    low, high = min(values), max(values)
    if low <= 0 or high / low <= WIDE:
        return False
    middle = statistics.median(values)
    return math.log(middle / low) / math.log(high / low) < 0.75


def _numbers(axes: Axes, dots: Sequence[Dot]) -> None:
    across = [finite.number(d.x) for d in dots]
    _dots(axes, across, dots)
    if logarithmic(across):
        axes.set_xscale("log")
    elif all(x.is_integer() for x in across):
        axes.xaxis.get_major_locator().set_params(integer=True)


def _names(axes: Axes, dots: Sequence[Dot], order: Sequence[str]) -> None:
    """Draw a strip of dots for each name, and the box of those that finished; many names share the last strip."""
    shown = list(order) if len(order) <= MOST_NAMES else [*order[: MOST_NAMES - 1], "others"]
    place = {name: min(i, len(shown) - 1) for i, name in enumerate(order)}
    counts = Counter(place[d.x] for d in dots)
    groups = [[d.y for d in dots if d.whole and place[d.x] == i] for i in range(len(shown))]
    boxed = [i for i, group in enumerate(groups) if len(group) >= BOXED]
    if boxed:
        line = {"color": GREY, "lw": 1.0}
        axes.boxplot([groups[i] for i in boxed], positions=boxed, widths=0.55, showfliers=False,
                     medianprops={"color": GREY, "lw": 2.0}, boxprops=line, whiskerprops=line, capprops=line)  # fmt: skip
    seen: Counter[int] = Counter()
    across = []
    for d in dots:
        at = place[d.x]
        seen[at] += 1
        across.append(at + (0.0 if counts[at] == 1 else 0.36 * strip_offset(seen[at])))
    _dots(axes, across, dots)
    long = max(len(n) for n in shown) * len(shown) > 34
    axes.set_xticks(range(len(shown)), [n if len(n) <= 24 else n[:23] + "…" for n in shown],
                    rotation=30 if long else 0, ha="right" if long else "center")  # fmt: skip
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.grid(False, axis="x")


def _dots(axes: Axes, across: Sequence[float], dots: Sequence[Dot]) -> None:
    size = marker_size(len(dots))
    placed = [*zip(across, dots, strict=True)]
    whole = [(x, d.y) for x, d in placed if d.whole]
    pruned = [(x, d.y) for x, d in placed if not d.whole]
    if whole:
        alpha = 0.65 if len(dots) <= 600 else 0.35
        axes.scatter(*zip(*whole, strict=True), s=size, color=BLUE, alpha=alpha, linewidths=0, zorder=3)
    if pruned:
        axes.scatter(*zip(*pruned, strict=True), s=size, facecolors="none", edgecolors=GREY, linewidths=0.9,
                     zorder=2, label="pruned, where it was")  # fmt: skip
    for x, d in placed:
        if d.best:
            axes.plot(x, d.y, "o", ms=10, mfc="none", mec=ORANGE, mew=1.6, zorder=5)
