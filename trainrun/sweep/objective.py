"""The objectives that a sweep's settings give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.sweep.trial import Objective, Trial


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
    """Return the metric of an epoch that comes nearest to an objective, and its name; None where there is none.

    An epoch measures no ``test_`` metric, and without validation no ``val_`` one.
    """
    bare = objective.name.removeprefix("test_").removeprefix("val_")
    # Of the loss less is better: it stands in for no objective that is to rise.
    others = () if objective.maximize else ("val_loss", "loss")
    for name in (objective.name, f"val_{bare}", bare, *others):
        if isinstance(value := metrics.get(name), int | float):
            return name, float(value)
    return None


def better(objective: Objective, value: float, than: float | None) -> bool:
    """Whether a value is better than another one; than none at all, each is."""
    return than is None or (value > than if objective.maximize else value < than)
