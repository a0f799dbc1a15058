"""Config -> the small settings dataclasses that stand in its place below the builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.artifacts.settings import ArtifactSettings
from trainrun.checkpoint.settings import CheckpointSettings
from trainrun.failure.disk_space import Planned
from trainrun.failure.settings import FailureSettings
from trainrun.tracking.settings import TrackingSettings


def failure(config: Mapping[str, Any]) -> FailureSettings:
    """Return what a run does when training breaks off."""
    return FailureSettings(**config["failure"])


def checkpoint(config: Mapping[str, Any]) -> CheckpointSettings:
    """Return when checkpoints are written."""
    return CheckpointSettings(**config["checkpoint"])


def artifacts(config: Mapping[str, Any]) -> ArtifactSettings:
    """Return what a run leaves besides its record."""
    return ArtifactSettings(**config["artifacts"])


def tracking(config: Mapping[str, Any]) -> TrackingSettings:
    """Return where the run is delivered to."""
    return TrackingSettings.of(config["tracking"])


def planned(config: Mapping[str, Any]) -> Planned:
    """Return what a run will write, for the estimate of its disk space."""
    wanted = artifacts(config)
    return Planned(
        keep=checkpoint(config).keep,
        model=wanted.model,
        plots=wanted.plots,
        report=wanted.report,
        every_steps=config["tracking"].get("every_steps"),
    )
