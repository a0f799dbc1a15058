"""Config -> the small settings dataclasses that the packages below the builder get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.artifacts.settings import ArtifactSettings
from trainrun.checkpoint.settings import CheckpointSettings
from trainrun.failure.disk_space import Planned
from trainrun.failure.settings import FailureSettings
from trainrun.tracking.settings import TrackingSettings


def failure(config: Mapping[str, Any]) -> FailureSettings:
    """Return the answers to failures of training."""
    return FailureSettings(**config["failure"])


def checkpoint(config: Mapping[str, Any]) -> CheckpointSettings:
    """Return the settings of checkpoints."""
    return CheckpointSettings(**config["checkpoint"])


def artifacts(config: Mapping[str, Any]) -> ArtifactSettings:
    """Return which artifacts a run writes."""
    return ArtifactSettings(**config["artifacts"])


def tracking(config: Mapping[str, Any], trial: bool) -> TrackingSettings:
    """Return the trackers of the run, or of a sweep's trial, its alerts, and the timing of their delivery."""
    return TrackingSettings.of(config["tracking"], config.get("alert"), trial)


def planned(config: Mapping[str, Any]) -> Planned:
    """Return which files a run will write, for the estimate of its disk space."""
    chosen = artifacts(config)
    return Planned(
        keep=checkpoint(config).keep,
        model=bool(chosen.model),
        plots=chosen.plots,
        report=chosen.report,
        every_steps=config["tracking"].get("every_steps"),
        best_weights=chosen.weights == "best",
    )
