"""Hydra sweeper plug-ins: `hydra/sweeper=grid`, `random` and `optuna`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext
from omegaconf import DictConfig

from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import sweep_sources
from trainrun.sweep.space.trial_source import Numbered

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

    from trainrun.hydra_bridge.jobs import Task
    from trainrun.sweep.space.trial_source import Compose, Points


class _Sweeper(Sweeper):
    """Base class of trainrun's sweepers.

    Attributes:
        checked: whether the preflight has checked every point.
    """

    checked = False

    def __init__(self, **settings: Any):
        """Accept the settings of `conf/hydra/sweeper/`; `sweep_sources.settings` reads them from the config."""

    def setup(self, *, hydra_context: HydraContext, task_function: Task, config: DictConfig) -> None:
        """Store the arguments and make the launcher; Hydra calls this before anything else."""
        from hydra.core.plugins import Plugins

        self.config, self.context, self._task = config, hydra_context, task_function
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep: point by point with trainrun's launchers, else in batches; the task gets the result.

        Args:
            arguments: as typed, without those of Hydra's own node.
        """
        from trainrun.hydra_bridge import batch_sweep, hydra_files, sweep_settings
        from trainrun.hydra_bridge.launcher_plugins import SweepLauncher

        own_launcher = isinstance(self.launcher, SweepLauncher)
        if (self.config.seeds or sweep_settings.folds(self.config)) and not own_launcher:
            name = self.config.hydra.runtime.choices["hydra/launcher"]
            raise UserError(
                Problem(
                    "seeds",
                    f"hydra/launcher={name} cannot stop seeds early, nor rank settings. Take hydra/launcher=local, or vary "
                    "them by hand: seed=42,43,44.",
                )
            )
        sweep_dir = Path(str(self.config.hydra.sweep.dir)).absolute()
        sweep_dir.mkdir(parents=True, exist_ok=True)
        hydra_files.write_multirun(self.config, sweep_dir)
        settings = sweep_settings.settings(self.config, self._task.command)
        compose = self.launcher.trial if own_launcher else batch_sweep.outline
        points = self._source(settings, compose, sweep_dir)
        if own_launcher:
            self.launcher.run(points, getattr(points, "known", ()), checked=self.checked)
        else:
            self._task.result = batch_sweep.run(self.launcher, points, settings, sweep_dir)

    def _source(self, settings: Mapping[str, Any], compose: Compose, sweep_dir: Path) -> Points:
        return sweep_sources.points(settings, compose, sweep_dir, self.context.config_loader)


class GridSweeper(_Sweeper):
    """Runs every combination of the values."""

    checked = True

    def _source(self, settings: Mapping[str, Any], compose: Compose, sweep_dir: Path) -> Points:

        search_space, faults = sweep_sources.space(settings, self.context.config_loader)
        if faults:
            raise UserError(faults)
        return Numbered([*enumerate(map(search_space.overrides, search_space.grid()))], compose)


class RandomSweeper(_Sweeper):
    """Runs random points."""


class OptunaSweeper(_Sweeper):
    """Runs the points that Optuna suggests after each trial."""
