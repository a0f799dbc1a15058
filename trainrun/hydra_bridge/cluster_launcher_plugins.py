"""Hydra plug-ins of the launchers that need another package or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainrun.errors import Problem
from trainrun.hydra_bridge.launcher_plugins import SweepLauncher
from trainrun.sweep.launchers import cluster_settings


@dataclass
class RayConf(cluster_settings.RaySettings):
    """The settings of `hydra/launcher=ray`."""

    _target_: str = "hydra_plugins.trainrun.RayLauncher"


@dataclass
class SubmititConf(cluster_settings.SubmititSettings):
    """The settings of `hydra/launcher=submitit`."""

    _target_: str = "hydra_plugins.trainrun.SubmititLauncher"


class ClusterLauncher(SweepLauncher):
    """Runs trials by another package.

    Args:
        settings: see `cluster_settings`.
    """

    name = ""

    def __init__(self, **settings: Any):
        super().__init__()
        self.given = settings

    def problems(self) -> list[Problem]:
        """Return what is wrong with the settings, or with this machine."""
        return cluster_settings.problems(self.name, self.given)


class RayLauncher(ClusterLauncher):
    """Runs the points of a sweep on a Ray cluster."""

    name = "ray"


class SubmititLauncher(ClusterLauncher):
    """Runs the points of a sweep as Slurm's jobs."""

    name = "submitit"


PLUGINS: list[tuple[str, str, type, type]] = [
    ("hydra/launcher", "ray", RayLauncher, RayConf),
    ("hydra/launcher", "submitit", SubmititLauncher, SubmititConf),
]
