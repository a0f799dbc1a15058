"""One point of a sweep: what it is, and what has become of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WAITING, RUNNING = "WAITING", "RUNNING"
# Parts of metrics' names by which `auto` knows that less is better.
FALLING = (
    "loss",
    "error",
    "mae",
    "mse",
    "rmse",
    "deviance",
    "false",
    "entropy",
    "hinge",
    "divergence",
    "perplexity",
)


@dataclass
class Trial:
    """One point.

    Args:
        number: in the sweep, from 0; the name of its directory.
        overrides: as one would type them for this run alone.
        varied: those of them that the sweep varies.
        run_dir: its directory.
        config: resolved and checked.
        status: WAITING, RUNNING, or one of a run's.
        reason: why it did not finish.
        metrics: of the finished model.
        seconds: from its start to its end.
        epochs: done.
        start: the first record of its last attempt; None: it never began.
    """

    number: int
    overrides: list[str]
    varied: list[str]
    run_dir: Path
    config: Mapping[str, Any]
    status: str = WAITING
    reason: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    epochs: int = 0
    start: Mapping[str, Any] | None = None

    def value(self, objective: str) -> float | None:
        """Return the trial's value of the objective; None where there is none, or it is not a number."""
        value = self.metrics.get(objective)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


@dataclass(frozen=True)
class Objective:
    """What trials are ranked by.

    Args:
        name: a metric, as in a run's summary.
        maximize: whether more is better.
    """

    name: str
    maximize: bool

    @classmethod
    def of(cls, name: str | None, direction: str, trials: Sequence[Trial]) -> Objective:
        """Return the objective that the config says, or the one that goes without saying.

        Args:
            name: a metric; None: ``val_loss``, or ``loss`` where no trial was validated.
            direction: ``minimize``, ``maximize``, or ``auto``: by the metric's name.
            trials: that have ended.
        """
        name = name or ("val_loss" if any("val_loss" in t.metrics for t in trials) else "loss")
        falls = any(word in name for word in FALLING)
        return cls(name, direction == "maximize" if direction != "auto" else not falls)

    def ranked(self, trials: list[Trial]) -> list[Trial]:
        """Return the trials that have a value, the best first; of equals the earlier."""
        having = [(t, v) for t in trials if (v := t.value(self.name)) is not None and t.status == "FINISHED"]
        return [t for t, _ in sorted(having, key=lambda e: (-e[1] if self.maximize else e[1], e[0].number))]
