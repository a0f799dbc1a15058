"""What each varied key does to the objective: a panel a key."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainrun.sweep.trial import Objective, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_KEYS, MOST_NAMES = 12, 10
FEW = 8  # so many values of a number are levels, each with a place of its own
BOXED = 4  # trials that have a box
DECADES = 30.0  # a range that a logarithmic axis is for
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#9A9A9A"


def varied(trials: Sequence[Trial]) -> dict[str, list[str | None]]:
    """Return the keys that differ among trials: key -> each trial's value, None where it has none."""
    told = [
        {k.lstrip("+"): v for k, _, v in (o.partition("=") for o in t.overrides) if not k.startswith("~")}
        for t in trials
    ]
    keys = list(dict.fromkeys(k for each in told for k in each))
    found = {k: [each.get(k) for each in told] for k in keys}
    return {k: values for k, values in found.items() if len(set(values)) > 1}


def draw(trials: Sequence[Trial], objective: Objective) -> Figure:
    """One panel for each varied key; the best trial is ringed in all of them."""
    from trainrun.artifacts.plots import sheet

    ranked = objective.ranked(list(trials))
    keys = varied(ranked)
    # Seeds are repetitions: shown where nothing else was varied.
    names = [k for k in keys if k != "seed"][:MOST_KEYS] or list(keys)[:1]
    if not names:
        raise ValueError("no key differs among the trials that finished")
    figure, panels = sheet(
        len(names), width=3.9 if len(names) > 1 else 5.4, height=3.3, columns=2 if len(names) == 4 else 3
    )
    values = [t.value(objective.name) for t in ranked]
    wide = min(values) > 0 and max(values) / min(values) > DECADES
    for axes, key in zip(panels, names, strict=True):
        pairs = [(x, y) for x, y in zip(keys[key], values, strict=True) if x is not None]
        numbers = [_number(x) for x, _ in pairs]
        has_best = keys[key][0] is not None
        if any(n is None for n in numbers):
            groups: dict[str, list[float]] = {}
            for x, y in pairs:
                groups.setdefault(x, []).append(y)
            _names(axes, pairs, sorted(groups, key=lambda x: statistics.median(groups[x])), has_best)
        elif len(set(numbers)) <= FEW and len(numbers) >= BOXED * len(set(numbers)):
            levels = {x: n for (x, _), n in zip(pairs, numbers, strict=True)}
            _names(axes, pairs, sorted(levels, key=levels.get), has_best)
        else:
            _numbers(axes, [(n, y) for n, (_, y) in zip(numbers, pairs, strict=True)], has_best)
        if wide:
            axes.set_yscale("log")
        axes.set_title(key, loc="left", fontsize=10)
        axes.set_ylabel(objective.name if axes.get_subplotspec().is_first_col() else "")
    return figure


def logarithmic(values: Sequence[float]) -> bool:
    """Whether values look as if drawn on a logarithmic scale: they span decades, and few lie in the uppermost.

    Not every range that begins near zero is one: of a dropout between 0 and 0.5, half the values lie above 0.25.
    """
    low, high = min(values), max(values)
    if low <= 0 or high / low <= DECADES:
        return False
    middle = statistics.median(values)
    return math.log(middle / low) / math.log(high / low) < 0.75


def _numbers(axes: Axes, pairs: Sequence[tuple[float, float]], has_best: bool) -> None:
    across = [x for x, _ in pairs]
    _dots(axes, across, [y for _, y in pairs])
    if has_best:
        _ring(axes, *pairs[0])
    if logarithmic(across):
        axes.set_xscale("log")
    elif all(x.is_integer() for x in across):
        axes.xaxis.get_major_locator().set_params(integer=True)


def _names(axes: Axes, pairs: Sequence[tuple[str, float]], order: Sequence[str], has_best: bool) -> None:
    """Draw a strip of dots for each name, and its box; many names share the last strip."""
    shown = list(order) if len(order) <= MOST_NAMES else [*order[: MOST_NAMES - 1], "others"]
    place = {name: min(i, len(shown) - 1) for i, name in enumerate(order)}
    groups = [[y for x, y in pairs if place[x] == i] for i in range(len(shown))]
    boxed = [i for i, group in enumerate(groups) if len(group) >= BOXED]
    if boxed:
        line = {"color": GREY, "lw": 1.0}
        axes.boxplot([groups[i] for i in boxed], positions=boxed, widths=0.55, showfliers=False,
                     medianprops={"color": GREY, "lw": 2.0}, boxprops=line, whiskerprops=line, capprops=line)  # fmt: skip
    seen: dict[int, int] = {}
    across = []
    for name, _ in pairs:
        at = place[name]
        seen[at] = seen.get(at, 0) + 1
        # Beside one another, by a sequence that fills the strip evenly: the same picture each time.
        across.append(at + (0.0 if len(groups[at]) == 1 else 0.36 * ((seen[at] * 0.618034) % 1 - 0.5)))
    _dots(axes, across, [y for _, y in pairs])
    if has_best:
        _ring(axes, across[0], pairs[0][1])
    long = max(len(n) for n in shown) * len(shown) > 34
    axes.set_xticks(range(len(shown)), [n if len(n) <= 24 else n[:23] + "…" for n in shown],
                    rotation=30 if long else 0, ha="right" if long else "center")  # fmt: skip
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.grid(False, axis="x")


def _dots(axes: Axes, across: Sequence[float], up: Sequence[float]) -> None:
    size = 26 if len(up) <= 100 else 12 if len(up) <= 600 else 6
    axes.scatter(
        across, up, s=size, color=BLUE, alpha=0.65 if len(up) <= 600 else 0.35, linewidths=0, zorder=3
    )


def _ring(axes: Axes, x: float, y: float) -> None:
    axes.plot(x, y, "o", ms=10, mfc="none", mec=ORANGE, mew=1.6, zorder=5)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
