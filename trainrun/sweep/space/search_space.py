"""Search spaces: choices, intervals, their conditions, and the points that they span."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Chosen values: key without `+` -> value as typed behind `key=`.
Chosen = dict[str, str]
DIGITS = 6  # of a number that is drawn: its place in the interval is luck, and the table wants to be read


def bare(key: str) -> str:
    """Return a key without `+` and `++`."""
    return key.lstrip("+")


@dataclass(frozen=True)
class Condition:
    """A key has one of these values.

    Args:
        key: without `+`.
        values: as typed.
    """

    key: str
    values: tuple[str, ...]

    def holds(self, chosen: Mapping[str, str]) -> bool:
        """Return whether the condition holds; a key that is not varied has no value."""
        return chosen.get(self.key) in self.values


@dataclass(frozen=True)
class Choices:
    """One key with so many values, or several keys that vary together.

    Args:
        keys: as typed, with `+`.
        values: of all the keys at once, as typed.
        when: the conditions under which it is varied.
        steps: of a range: (low, high, step), whole numbers or not; None: the values have no order.
    """

    keys: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    when: tuple[Condition, ...] = ()
    steps: tuple[float, float, float] | None = None

    @property
    def ends(self) -> list[Chosen]:
        """The values that a preflight checks: all of them; of a range the first and the last."""
        values = [self.values[0], self.values[-1]] if self.steps and len(self.values) > 2 else self.values
        return [self.at(v) for v in values]

    def at(self, values: tuple[str, ...]) -> Chosen:
        """Return one of the values, by key."""
        return {bare(k): v for k, v in zip(self.keys, values, strict=True)}

    def draw(self, generator: np.random.Generator) -> Chosen:
        """Return one of them at random, each as likely as the others."""
        return self.at(self.values[int(generator.integers(len(self.values)))])


@dataclass(frozen=True)
class Interval:
    """One key with any number between two.

    Args:
        key: as typed, with `+`.
        low, high: both are possible.
        log: on a logarithmic scale, as for a learning rate.
        whole: whole numbers only.
        when: the conditions under which it is varied.
    """

    key: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    when: tuple[Condition, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The key, as `Choices` has several."""
        return (self.key,)

    @property
    def ends(self) -> list[Chosen]:
        """The values that a preflight checks."""
        return [self.at(self.low), self.at(self.high)]

    def at(self, value: float) -> Chosen:
        """Return a number as typed in an override."""
        return {bare(self.key): str(int(value)) if self.whole else repr(float(value))}

    def draw(self, generator: np.random.Generator) -> Chosen:
        """Return a number at random, uniform, or uniform in its logarithm."""
        if self.whole and not self.log:
            return self.at(int(generator.integers(int(self.low), int(self.high), endpoint=True)))
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            low, high = math.log(max(low, 0.5) if self.whole else low), math.log(high)
        value = float(generator.uniform(low, high))
        value = math.exp(value) if self.log else value
        value = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return self.at(min(max(value, self.low), self.high))


Dimension = Choices | Interval


@dataclass(frozen=True)
class Space:
    """The search space of a sweep.

    Args:
        fixed: key element -> override, common to all points.
        dimensions: each after those that its conditions name.
        order: of the overrides in a point: key elements.
        values: of the fixed keys, without `+`: conditions may name them.
    """

    fixed: Mapping[str, str] = field(default_factory=dict)
    dimensions: tuple[Dimension, ...] = ()
    order: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """The varied keys, without `+`."""
        return [bare(k) for d in self.dimensions for k in d.keys]

    @property
    def intervals(self) -> list[Interval]:
        """The dimensions that are intervals."""
        return [d for d in self.dimensions if isinstance(d, Interval)]

    def matters(self, dimension: Dimension, chosen: Mapping[str, str]) -> bool:
        """Return whether a dimension's conditions hold for the values chosen so far."""
        return all(c.holds({**self.values, **chosen}) for c in dimension.when)

    def overrides(self, chosen: Mapping[str, str]) -> list[str]:
        """Return a point's overrides, in the order in which they were typed."""
        texts = dict(self.fixed)
        for key in (k for d in self.dimensions for k in d.keys if bare(k) in chosen):
            texts[key] = f"{key}={chosen[bare(key)]}"
        return [texts[key] for key in self.order if key in texts]

    def varied(self, chosen: Mapping[str, str]) -> list[str]:
        """Return a point's varied overrides."""
        return [text for text in self.overrides(chosen) if bare(text.partition("=")[0]) in chosen]

    def chosen(self, overrides: Iterable[str]) -> Chosen:
        """Return the values of the dimensions in a point's overrides; the inverse of `overrides`."""
        pairs = (text.partition("=") for text in overrides)
        keys = set(self.keys)
        return {bare(key): value for key, _, value in pairs if bare(key) in keys}

    def grid(self) -> Iterator[Chosen]:
        """Yield every point, the last key changing first; there may be no intervals."""
        yield from self._span(self.dimensions, {}, _each)

    def draw(self, generator: np.random.Generator) -> Chosen:
        """Return a point at random."""
        chosen: Chosen = {}
        for dimension in self.dimensions:
            if self.matters(dimension, chosen):
                chosen |= dimension.draw(generator)
        return chosen

    def corners(self, most: int = 24) -> list[Chosen]:
        """Return points in which every choice, both ends of every interval and every condition occur.

        Args:
            most: if there are no more combinations than these, all of them.
        """
        everything = [*itertools.islice(self._span(self.dimensions, {}, lambda d: d.ends), most + 1)]
        if len(everything) <= most:
            return everything
        points: dict[tuple[tuple[str, str], ...], Chosen] = {}
        for dimension, end in ((d, e) for d in self.dimensions for e in d.ends):
            target = self._with_conditions(dimension, dict(end))
            chosen: Chosen = {}
            for other in self.dimensions:
                if self.matters(other, chosen):
                    fitting = (v for v in _each(other) if target.items() >= v.items())
                    chosen |= end if other is dimension else next(fitting, other.ends[0])
            if chosen.items() >= end.items():
                points.setdefault(tuple(sorted(chosen.items())), chosen)
        return [*points.values()]

    def _with_conditions(self, dimension: Dimension, target: Chosen) -> Chosen:
        """Add the values that must be chosen for a dimension's conditions to hold."""
        for condition in dimension.when:
            for other in self.dimensions:
                value = next((v for v in _each(other) if condition.holds(v)), None)
                if value is not None and condition.key not in target:
                    target = self._with_conditions(other, {**value, **target})
        return target

    def _span(
        self, rest: tuple[Dimension, ...], chosen: Chosen, values: Callable[[Dimension], list[Chosen]]
    ) -> Iterator[Chosen]:
        if not rest:
            yield dict(chosen)
            return
        if not self.matters(rest[0], chosen):
            yield from self._span(rest[1:], chosen, values)
            return
        for value in values(rest[0]):
            yield from self._span(rest[1:], {**chosen, **value}, values)


def _each(dimension: Dimension) -> list[Chosen]:
    """Return every value of a choice, the ends of an interval."""
    return [dimension.at(v) for v in dimension.values] if isinstance(dimension, Choices) else dimension.ends
