"""One trial of a sweep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trainrun.config import override_text

WAITING, RUNNING = "WAITING", "RUNNING"
NOTHING: Mapping[str, Any] = MappingProxyType({})  # the config of a trial that has ended


@dataclass(slots=True)  # there may be thousands
class Trial:
    """One trial.

    Args:
        number: in the sweep, from 0; the name of its directory.
        overrides: as typed for this run alone.
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
        removed: its directory was removed; the results are those that the sweep has kept.
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
    removed: bool = False

    def forget(self) -> None:
        """Drop the fields that an ended trial does not need: a sweep may have thousands of trials."""
        self.config, self.place = NOTHING, str(self.place)  # a Path takes three times the memory
        self.varied = self.overrides if self.varied == self.overrides else self.varied

    @property
    def run_dir(self) -> Path:
        """Its directory."""
        return Path(self.place) if isinstance(self.place, str) else self.place

    @property
    def setting(self) -> tuple[str, ...]:
        """The trial's overrides without seed and fold: trials that agree in it are replicates of one setting."""
        return setting(self.overrides)

    def value(self, objective: str) -> float | None:
        """Return the trial's value of the objective; None where there is none, or it is not a number."""
        value = self.metrics.get(objective, self.figures.get(objective))
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def setting(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return the overrides without seed and fold, sorted."""
    return tuple(sorted(o for o in overrides if not override_text.is_replicate(o)))
