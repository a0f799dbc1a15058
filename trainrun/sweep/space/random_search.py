"""`hydra/sweeper=random`: points drawn at random, all known before the first trial; no two are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainrun.sweep.space.search_space import Chosen, Space
from trainrun.sweep.space.trial_source import Compose, Numbered, Point

TRIES = 1_000  # draws without anything new, after which the space counts as exhausted


def draw(space: Space, count: int, seed: int) -> Iterator[Chosen]:
    """Yield so many different points, or all of them.

    The same seed gives the same points, and a greater count begins with those of a smaller one: a sweep can be extended.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    seen: set[tuple[tuple[str, str], ...]] = set()
    vain = 0
    while len(seen) < count and vain < TRIES:
        chosen = space.draw(generator)
        key = tuple(chosen.items())
        vain = vain + 1 if key in seen else 0
        if key not in seen:
            seen.add(key)
            yield chosen


class Drawn(Numbered):
    """Random points of a space.

    Args:
        space: to draw from.
        count: of points, earlier ones included.
        seed: of the draw.
        compose: makes a trial of a point.
        recorded: the number and overrides of earlier points of this sweep.
        waiting: those of them to run first.
    """

    def __init__(
        self,
        space: Space,
        count: int,
        seed: int,
        compose: Compose,
        recorded: Sequence[tuple[int, Sequence[str]]] = (),
        waiting: Sequence[Point] = (),
    ):
        known = [set(overrides) for _, overrides in recorded]
        new = [c for c in draw(space, count, seed) if not any(k >= set(space.varied(c)) for k in known)]
        first = max((number for number, _ in recorded), default=-1) + 1
        super().__init__([(first + i, space.overrides(c)) for i, c in enumerate(new)], compose, waiting)
