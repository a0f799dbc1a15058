"""Hydra sweeper plug-ins: `hydra/sweeper=grid`, `random` and `optuna`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import sweep_sources

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

    from trainrun.sweep.space.trial_source import Compose, Points


class _Sweeper(Sweeper):
    """What our sweepers have in common: Hydra's side.

    Attributes:
        checks: whether a trial's config is to be checked before it begins.
    """

    checks = True

    def __init__(self, **given: Any):
        self.given = given
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.config, self.context, self._task = config, hydra_context, task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[Sequence[JobReturn]]:
        """Run the sweep.

        Args:
            arguments: as typed, without those of Hydra's own node.
        """
        from trainrun.hydra_bridge import hydra_files, sweep_settings
        from trainrun.hydra_bridge.launcher_plugins import SweepLauncher

        if self.config.seeds and not isinstance(self.launcher, SweepLauncher):
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
        return [self._run(sweep_settings.settings(self.config, self._task.command), sweep_dir)]

    def _run(self, settings: Mapping[str, Any], sweep_dir: Path) -> Sequence[JobReturn]:
        """Have the launcher run the points: one after another where it is ours, else in batches."""
        from trainrun.hydra_bridge import batch_sweep
        from trainrun.hydra_bridge.launcher_plugins import SweepLauncher

        if not isinstance(self.launcher, SweepLauncher):
            source = self._source(settings, batch_sweep.outline, sweep_dir)
            results, self._task.ended = batch_sweep.run(self.launcher, source, settings, sweep_dir)
            return results
        self.launcher.unchecked = self.checks
        source = self._source(settings, self.launcher.trial, sweep_dir)
        self.launcher.run(source, getattr(source, "known", ()))
        # Hydra drops what a sweeper returns, half a megabyte for thousands of trials: the launcher has set the task's `ended`.
        return []

    def _source(self, settings: Mapping[str, Any], compose: Compose, sweep_dir: Path) -> Points:
        return sweep_sources.points(settings, compose, sweep_dir, self.context.config_loader)


class GridSweeper(_Sweeper):
    """Tries every combination of the values."""

    checks = False  # the preflight has seen each point

    def _source(self, settings: Mapping[str, Any], compose: Compose, sweep_dir: Path) -> Points:
        from trainrun.sweep.space.trial_source import Numbered

        found, faults = sweep_sources.space(settings, self.context.config_loader)
        if faults:
            raise UserError(faults)
        return Numbered([*enumerate(map(found.overrides, found.grid()))], compose)


class RandomSweeper(_Sweeper):
    """Tries points at random."""


class OptunaSweeper(_Sweeper):
    """Tries what Optuna suggests after each trial."""
