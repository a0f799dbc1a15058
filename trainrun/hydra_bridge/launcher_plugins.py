"""Hydra launcher plug-ins. They compose each trial's config and hand it to the sweep loop."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from trainrun.errors import Problem, UserError

if TYPE_CHECKING:
    from trainrun.sweep.launchers.interface import Engine
    from trainrun.sweep.loop import Ended
    from trainrun.sweep.space.trial_source import Points
    from trainrun.sweep.trial import Trial


class SweepLauncher(Launcher):
    """Composes points, and hands them to the sweep loop with an engine that runs them.

    `launchers.factory` makes the engine of the settings. Our sweepers call `run`, others `launch`.

    Args:
        given: the node `hydra.launcher`; its keys and defaults stand in `conf/hydra/launcher/`.

    Attributes:
        name: the option of `hydra/launcher`.
    """

    name = ""

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None
        self.unchecked = False  # whether there may be points that no preflight has seen

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over.

        Args:
            task_function: a `jobs.Task`. It is not called, since each trial has a process of its own; it gets the result.
        """
        from trainrun.hydra_bridge.compose_cache import Composer

        self.config, self.context, self._task = config, hydra_context, task_function
        self._composer = Composer(hydra_context.config_loader, config)

    def settled(self, settings: dict[str, Any], known: Sequence[tuple[int, Sequence[str]]]) -> dict[str, Any]:
        """Return the settings of the sweep, what is left open in them decided.

        Args:
            settings: see `sweep_settings.settings`.
            known: see `run`; of `seeds` the settings.
        """
        return settings

    def engine(self, settings: Mapping[str, Any], trials: int) -> Engine:
        """Return what runs the trials.

        Args:
            settings: see `sweep_settings.settings`.
            trials: there will be at most.
        """
        from trainrun.sweep.launchers import factory

        return factory.of(settings, trials)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the points of a sweeper that knows them all; returns when all have ended.

        Args:
            job_overrides: of each point.
            initial_job_idx: the number of the first.
        """
        from functools import partial

        from trainrun.hydra_bridge import hydra_files
        from trainrun.sweep.space.trial_source import Listed, Point

        hydra_files.hide_secrets_in_multirun(Path(str(self.config.hydra.sweep.dir)))
        numbered = [(initial_job_idx + i, list(o)) for i, o in enumerate(job_overrides)]
        points = Listed(Point(n, partial(self.trial, n, o), overrides=o) for n, o in numbered)
        return [
            JobReturn(overrides=t.overrides, _return_value=dict(t.metrics), status=JobStatus.COMPLETED)
            for t in self.run(points, [(n, own(o)) for n, o in numbered]).trials
        ]

    def run(self, points: Points, known: Sequence[tuple[int, list[str]]] = ()) -> Ended:
        """Run points; returns when all have ended.

        Args:
            points: where they come from.
            known: the number and overrides of those that are known before the first begins.
        """
        from trainrun.hydra_bridge import sweep_settings
        from trainrun.sweep import loop, sweep_record
        from trainrun.sweep.space import seeds

        if self.config.sweep.resume is not None:
            raise UserError(Problem("sweep.resume", "it is said on the command line, and in no YAML."))
        setup_globals()
        sweep_dir = Path(str(self.config.hydra.sweep.dir)).absolute()
        sweep_dir.mkdir(parents=True, exist_ok=True)
        settings = self.settings = self.settled(
            sweep_settings.settings(self.config, self._task.command), known
        )
        sweep_record.write(sweep_dir, [] if settings["seeds"] else known, settings)
        if settings["seeds"]:
            points = seeds.of(settings, points, self.trial, sweep_dir)
        with sweep_record.held(sweep_dir):
            ended = self._task.ended = loop.run(
                sweep_dir, points, settings, self.engine(settings, points.total or sys.maxsize)
            )
        return ended

    def trial(self, number: int, overrides: Sequence[str]) -> Trial:
        """Compose a point and make its directory."""
        from trainrun.sweep import sweep_record
        from trainrun.sweep.trial import Trial

        config, run_dir = self._sound(number, list(overrides))
        mine = own(overrides)
        return Trial(number, mine, sweep_record.varied(mine, self.settings["varying"]), run_dir, config)

    def _sound(self, number: int, overrides: list[str]) -> tuple[dict[str, Any], Path]:
        """Compose a point, and check it if nobody has.

        Raises:
            UserError: something is wrong with it: that trial fails, and the sweep goes on.
        """
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        from trainrun.config import check
        from trainrun.hydra_bridge import hydra_errors
        from trainrun.run import runner

        try:
            config, run_dir = self.compose(number, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(hydra_errors.from_hydra(error)) from error
        if self.unchecked and (problems := check.problems(config)):
            runner.discard(run_dir)
            raise UserError(problems)
        return config, run_dir

    def compose(self, number: int, overrides: list[str]) -> tuple[dict[str, Any], Path]:
        """Return a point's config and directory; what Hydra would write there is written."""
        from trainrun.hydra_bridge import compose_cache, hydra_files, interpolations

        config = self._composer(overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = str(number), number
        compose_cache.look_up_in(config)
        run_dir = (Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)).absolute()
        with open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(run_dir)
        run_dir.mkdir(parents=True, exist_ok=False)
        hydra_files.write(hydra_files.unresolved(config), run_dir)
        return interpolations.plain(config), run_dir


def own(overrides: Sequence[str]) -> list[str]:
    """Return a point's overrides without those of Hydra's own node."""
    from trainrun.config.override_text import is_hydra

    return [o for o in overrides if not is_hydra(o)]


class LocalLauncher(SweepLauncher):
    """Runs the points of a sweep side by side on this machine, each in a process of its own."""

    name = "local"


class VectorizedLauncher(SweepLauncher):
    """Trains the points of a sweep that differ in numbers only in one graph, and the others as `local` does."""

    name = "vectorized"


class RayLauncher(SweepLauncher):
    """Runs the points of a sweep on a Ray cluster."""

    name = "ray"


class SubmititLauncher(SweepLauncher):
    """Runs the points of a sweep as Slurm's jobs."""

    name = "submitit"
