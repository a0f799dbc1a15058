"""The objective of a sweep: the metric that ranks its trials, and which way it is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainrun.registry import direction as directions
from trainrun.sweep.ranking import pareto
from trainrun.sweep.trial import Trial


@dataclass(frozen=True)
class Objective:
    """The metrics that rank trials.

    Args:
        name: a metric, or another number, as in a run's summary.
        maximize: whether a larger value is better.
        others: further objectives of equal rank.
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
            trials: finished ones.
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
        """Return the trials that have a value, the best first; equal ones by number.

        With several objectives the Pareto front comes first, in the order of the first objective.
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


def of(settings: Mapping[str, Any], trials: Sequence[Trial]) -> list[Objective]:
    """Return the objectives; at least one.

    Args:
        settings: see `sweep_settings.settings`.
        trials: finished trials; used to infer the default objective (`val_loss`, else `loss`).
    """
    direction = settings.get("direction") or "auto"
    return list(Objective.of(settings.get("objective"), direction, trials).all)


def expected(settings: Mapping[str, Any]) -> Objective:
    """Return the first objective before any trial has ended; without a name, `val_loss`."""
    if not settings.get("objective"):
        return Objective("val_loss", settings.get("direction") == "maximize")
    return of(settings, [])[0]


def measured(objective: Objective, metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """Return name and value of the epoch metric that is closest to an objective, or None.

    An epoch measures no ``test_`` metric, and without validation no ``val_`` one.
    """
    bare = directions.bare(objective.name)
    # The loss cannot replace an objective to maximize.
    others = () if objective.maximize else ("val_loss", "loss")
    for name in (objective.name, f"val_{bare}", bare, *others):
        if isinstance(value := metrics.get(name), int | float):
            return name, float(value)
    return None


def better(objective: Objective, value: float, than: float | None) -> bool:
    """Return whether a value is better than another one, or the other one is None."""
    return than is None or (value > than if objective.maximize else value < than)
