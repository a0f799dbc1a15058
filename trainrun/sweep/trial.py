"""One trial of a sweep, and the objective that trials are ranked by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trainrun.config import override_text
from trainrun.registry import direction as directions
from trainrun.sweep.ranking import pareto

WAITING, RUNNING = "WAITING", "RUNNING"
NOTHING: Mapping[str, Any] = MappingProxyType({})  # the config of a trial that has ended


@dataclass(slots=True)  # there may be thousands
class Trial:
    """One point.

    Args:
        number: in the sweep, from 0; the name of its directory.
        overrides: as one would type them for this run alone.
        varied: those of them that the sweep varies.
        place: its directory: `run_dir`.
        config: resolved and checked.
        status: WAITING, RUNNING, or one of a run's.
        reason: why it did not finish.
        metrics: name -> value, of the finished model.
        figures: other numbers of its summary: `parameters`, `seconds.train`, `examples_per_second`.
        seconds: from its start to its end.
        epochs: done.
        spared: whether it is exempt from pruning.
    """

    number: int
    overrides: list[str]
    varied: list[str]
    place: Path | str
    config: Mapping[str, Any]
    status: str = WAITING
    reason: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    epochs: int = 0
    spared: bool = False

    def forget(self) -> None:
        """Drop what is not needed of a trial that has ended: a sweep may have thousands."""
        self.config, self.place = NOTHING, str(self.place)  # a path is three times its text
        self.varied = self.overrides if self.varied == self.overrides else self.varied

    @property
    def run_dir(self) -> Path:
        """Its directory."""
        return Path(self.place) if isinstance(self.place, str) else self.place

    @property
    def setting(self) -> tuple[str, ...]:
        """The trial's overrides without the seed: trials that agree in it are replicates of one setting."""
        return setting(self.overrides)

    def value(self, objective: str) -> float | None:
        """Return the trial's value of the objective; None where there is none, or it is not a number."""
        value = self.metrics.get(objective, self.figures.get(objective))
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def setting(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return what overrides set but for the seed."""
    return tuple(sorted(o for o in overrides if not override_text.is_seed(o)))


@dataclass(frozen=True)
class Objective:
    """What trials are ranked by.

    Args:
        name: a metric, or another number, as in a run's summary.
        maximize: whether more is better.
        others: further ones of the same standing.
    """

    name: str
    maximize: bool
    others: tuple[Objective, ...] = ()

    @classmethod
    def of(
        cls,
        name: str | Sequence[str] | None,
        direction: str | Sequence[str],
        trials: Sequence[Trial],
        way_out: str = directions.WAY_OUT,
    ) -> Objective:
        """Return the objective of the config, or the default one.

        Args:
            name: a metric; None: ``val_loss``, or ``loss`` where no trial was validated; or several.
            direction: ``minimize``, ``maximize``, or ``auto``: as the metric declares; or one for each name.
            trials: that have ended.
            way_out: the setting that gives a direction, for the error.

        Raises:
            UserError: a direction is ``auto``, and nothing declares it.
        """
        if name is not None and not isinstance(name, str):
            words = [direction] * len(name) if isinstance(direction, str) else list(direction)
            if len(words) == 1:
                words *= len(name)
            first, *others = [cls.of(n, d, trials, way_out) for n, d in zip(name, words, strict=True)] or [
                cls.of(None, "auto", trials)
            ]
            return cls(first.name, first.maximize, tuple(others))
        if not isinstance(direction, str):
            direction = direction[0]
        name = name or ("val_loss" if any("val_loss" in t.metrics for t in trials) else "loss")
        return cls(name, directions.resolved(name, direction, way_out=way_out) == "maximize")

    @property
    def all(self) -> tuple[Objective, ...]:
        """Each of the objectives."""
        return (self, *self.others)

    def ranked(self, trials: list[Trial]) -> list[Trial]:
        """Return the trials that have a value, the best first; of equals the earlier.

        Of several objectives first come those that no other trial beats in all of them, in the order of the first objective.
        """
        having = [
            (t, v)
            for t in trials
            if t.status == "FINISHED"
            and (v := t.value(self.name)) is not None
            and all(t.value(o.name) is not None for o in self.others)
        ]
        first: set[int] = set()
        if self.others:
            first = {t.number for t in pareto.front([t for t, _ in having], self.all)}
        order = sorted(
            having, key=lambda e: (e[0].number not in first, -e[1] if self.maximize else e[1], e[0].number)
        )
        return [t for t, _ in order]
