"""Sources of a sweep's trials: a list, or a sweeper that draws them one by one from the results so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trainrun.sweep.trial import Trial


@dataclass(frozen=True)
class Point:
    """A trial to come.

    Args:
        number: in the sweep.
        prepare: returns the trial, its directory made; called just before it begins.
        resume: facts about the attempt that it continues; None: it begins.
        overrides: all of them, from the sweeper; None: only `prepare` knows them.
    """

    number: int
    prepare: Callable[[], Trial]
    resume: Mapping[str, Any] | None = None
    overrides: Sequence[str] | None = None


class Points(Protocol):
    """The trials of a sweep, one after another; all of it is called by the sweep's own thread.

    Attributes:
        total: their maximum number; None: not known.
    """

    total: int | None

    def take(self) -> Point | None:
        """Return the next trial, or None if there is none now; `left` tells whether one may come later."""

    @property
    def left(self) -> bool:
        """Whether more may come: now, or when a trial that runs has ended."""

    def epoch_done(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the report of a trial after an epoch, which counts from 1."""

    def ended(self, trial: Trial) -> None:
        """Record how a trial has ended; its status and metrics are set."""

    def close(self) -> None:
        """Stop: no more trials begin."""


class Listed:
    """Points that are known from the beginning, as those of a grid.

    Args:
        points: in their order.
    """

    def __init__(self, points: Iterable[Point]):
        self._waiting = deque(points)
        self.total: int | None = len(self._waiting)

    def take(self) -> Point | None:
        """Return the next trial."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def left(self) -> bool:
        """Whether there are more."""
        return bool(self._waiting)

    def epoch_done(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Do nothing: the list does not depend on results."""

    def ended(self, trial: Trial) -> None:
        """Do nothing: the list does not depend on results."""

    def close(self) -> None:
        """Drop the remaining points."""
        self._waiting.clear()


# Composes a point: its number and its overrides -> the trial, its directory made.
Compose = Callable[[int, Sequence[str]], Trial]


class Numbered(Listed):
    """Points that are known by their overrides from the beginning.

    Args:
        known: the number and overrides of each.
        compose: makes a trial of one.
        waiting: points that come before them.
    """

    def __init__(
        self, known: Sequence[tuple[int, list[str]]], compose: Compose, waiting: Iterable[Point] = ()
    ):
        self.known = list(known)
        points = [Point(n, lambda n=n, o=o: compose(n, o), overrides=o) for n, o in self.known]
        super().__init__([*waiting, *points])
