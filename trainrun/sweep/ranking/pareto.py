"""Several objectives: the trials that no other one beats in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainrun.sweep.objective import Objective
    from trainrun.sweep.trial import Trial


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
