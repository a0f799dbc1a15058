"""Several objectives: the trials that no other one beats in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trainrun.sweep.objective import Objective
    from trainrun.sweep.trial import Trial


MOST_PAIRS = 6  # of objectives that are drawn


class Pair(NamedTuple):
    """Two objectives of a sweep.

    Args:
        across, up: the objectives.
        points: number of a trial -> its values of both; of finished trials that have both.
        front: numbers of the trials that no other one beats in these two, by their values.
    """

    across: Objective
    up: Objective
    points: dict[int, tuple[float, float]]
    front: list[int]


def pairs(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Iterator[Pair]:
    """Yield each pair of objectives; at most `MOST_PAIRS`.

    Args:
        trials: of a sweep.
        objectives: at least two.
    """
    for across, up in islice(combinations(objectives, 2), MOST_PAIRS):
        points = {
            t.number: (x, y)
            for t in trials
            if t.status == "FINISHED"
            and (x := t.value(across.name)) is not None
            and (y := t.value(up.name)) is not None
        }
        ahead = (t.number for t in front(trials, (across, up)))
        yield Pair(across, up, points, sorted(ahead, key=lambda n: (points[n], n)))


def front(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """Return the Pareto front: finished trials with a value of each objective, which no other one dominates.

    A trial dominates another one if it is nowhere worse and somewhere better; of equal trials all stay.

    Args:
        trials: in any order; those of the front keep it.
        objectives: at least one.
    """
    having = [
        t for t in trials if t.status == "FINISHED" and all(t.value(o.name) is not None for o in objectives)
    ]
    points = {
        t.number: tuple(-t.value(o.name) if o.maximize else t.value(o.name) for o in objectives)
        for t in having
    }
    # In the order of the first objective, then of the next: a point that dominates another one stands before it, so
    # that each is compared with the front so far only.
    kept: list[tuple[float, ...]] = []
    for point in sorted(set(points.values())):
        if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in kept):
            kept.append(point)
    best = set(kept)
    return [t for t in having if points[t.number] in best]
