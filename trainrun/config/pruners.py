"""The pruners that `sweep.pruner` can name, with their settings and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# name -> settings, with their defaults; ``auto`` is made of trainer.epochs.
PRUNERS: dict[str, dict[str, Any]] = {
    # Li and others, A System for Massively Parallel Hyperparameter Tuning, 2020: of the trials that reach a rung
    # (min_epochs, times reduction_factor, …), one in reduction_factor goes on.
    "asha": {"min_epochs": "auto", "reduction_factor": 3, "min_early_stopping_rate": 0},
    # Li and others, Hyperband, 2018: several of those, with first rungs at different epochs.
    "hyperband": {"min_epochs": 1, "reduction_factor": 3},
    # Golovin and others, Google Vizier, 2017: worse than the median of the others' best at the same epoch.
    "median": {"startup_trials": 5, "warmup_epochs": 0, "interval": 1},
    # No better by min_delta for so many epochs.
    "patient": {"patience": 3, "min_delta": 0.0},
    # Outside the bounds, or not a number.
    "threshold": {"lower": None, "upper": None, "warmup_epochs": 0},
}


def named(spec: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a pruner's spec as a mapping with `name` and its settings."""
    return {"name": spec} if isinstance(spec, str) else dict(spec)
