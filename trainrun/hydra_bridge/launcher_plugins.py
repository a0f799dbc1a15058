"""Hydra launcher plug-ins. They compose each trial's config and hand it to the sweep loop."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from trainrun.config.override_text import is_hydra
from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge.compose_cache import Composer
from trainrun.sweep.space.trial_source import Listed, Point
from trainrun.sweep.trial import Trial

if TYPE_CHECKING:
    from trainrun.hydra_bridge.jobs import Task
    from trainrun.sweep.launchers.interface import Engine
    from trainrun.sweep.loop import SweepResult
    from trainrun.sweep.space.trial_source import Points
    from trainrun.sweep.trial import Trial


class SweepLauncher(Launcher):
    """Composes points, and hands them to the sweep loop with an engine that runs them.

    `launchers.factory` makes the engine of the settings. trainrun's sweepers call `run`, others `launch`.
    """

    def __init__(self, **settings: Any) -> None:
        """Accept the settings of `conf/hydra/launcher/`; `sweep_settings.settings` reads them from the config."""

    def setup(self, *, hydra_context: HydraContext, task_function: Task, config: DictConfig) -> None:
        """Store the arguments; Hydra calls this before anything else.

        Args:
            task_function: gets the result of the sweep; not called, since each trial has a process of its own.
        """

        self.config, self._task = config, task_function
        self._composer = Composer(hydra_context.config_loader, config)

    def settled(self, settings: dict[str, Any], known: Sequence[tuple[int, Sequence[str]]]) -> dict[str, Any]:
        """Return the settings of the sweep with open choices decided.

        Args:
            settings: see `sweep_settings.settings`.
            known: see `run`; of `seeds` the settings.
        """
        return settings

    def engine(self, settings: Mapping[str, Any], trials: int) -> Engine:
        """Return the engine that runs the trials.

        Args:
            settings: see `sweep_settings.settings`.
            trials: their maximum number.
        """
        from trainrun.sweep.launchers import factory

        return factory.of(settings, trials)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the points of a sweeper of another package that knows them all; returns when all have ended.

        Args:
            job_overrides: of each point.
            initial_job_idx: the number of the first.
        """
        from trainrun.hydra_bridge import hydra_files

        hydra_files.hide_secrets_in_multirun(Path(str(self.config.hydra.sweep.dir)))
        numbered = [(initial_job_idx + i, list(o)) for i, o in enumerate(job_overrides)]
        points = Listed(Point(n, partial(self.trial, n, o), overrides=o) for n, o in numbered)
        result = self.run(points, [(n, own(o)) for n, o in numbered], checked=False)
        return [
            JobReturn(overrides=t.overrides, _return_value=dict(t.metrics), status=JobStatus.COMPLETED)
            for t in result.trials
        ]

    def run(self, points: Points, known: Sequence[tuple[int, list[str]]], checked: bool) -> SweepResult:
        """Run points; returns when all have ended.

        Args:
            points: their source.
            known: the number and overrides of those that are known before the first begins.
            checked: whether the preflight has checked every point; else each is checked before it begins.
        """
        from trainrun.hydra_bridge import sweep_settings
        from trainrun.sweep import loop, sweep_record
        from trainrun.sweep.space import seeds
        from trainrun.tracking import lease

        if self.config.sweep.resume is not None:
            raise UserError(
                Problem("sweep.resume", "it belongs on the command line; take it out of the YAML file.")
            )
        self._checked = checked
        sweep_dir = Path(str(self.config.hydra.sweep.dir)).absolute()
        sweep_dir.mkdir(parents=True, exist_ok=True)
        began = sweep_settings.settings(self.config, self._task.command)
        settings = self.settings = self.settled(began, known)
        replicated = bool(seeds.replicates(settings))
        sweep_record.write(sweep_dir, [] if replicated else known, settings)
        if replicated:
            points = seeds.of(settings, points, self.trial, sweep_dir)
        with lease.held(sweep_dir, lease.SWEEP):
            engine = self.engine(settings, points.total or sys.maxsize)
            self._task.result = loop.run(sweep_dir, points, settings, engine, last=self._task.last)
        return self._task.result

    def trial(self, number: int, overrides: Sequence[str]) -> Trial:
        """Compose a point, make its directory, and check it if the preflight has not.

        Raises:
            UserError: something is wrong with it: that trial fails, and the sweep continues.
        """
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        from trainrun.config import check
        from trainrun.hydra_bridge import hydra_errors
        from trainrun.run import runner
        from trainrun.sweep import sweep_record

        try:
            config, run_dir = self._compose(number, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(hydra_errors.from_hydra(error)) from error
        if not self._checked and (problems := check.problems(config)):
            runner.discard(run_dir)
            raise UserError(problems)
        typed = own(overrides)
        return Trial(number, typed, sweep_record.varied(typed, self.settings["varying"]), run_dir, config)

    def _compose(self, number: int, overrides: Sequence[str]) -> tuple[dict[str, Any], Path]:
        """Return a point's config and directory, with Hydra's records written."""
        from trainrun.hydra_bridge import compose_cache, hydra_files, interpolations

        config = self._composer(overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = str(number), number
        compose_cache.look_up_in(config)
        # Not `hydra.sweep.subdir`: `resume` and `runs` find a trial by its number. That name leads there, too.
        run_dir = (Path(str(config.hydra.sweep.dir)) / str(number)).absolute()
        with open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(run_dir)
        run_dir.mkdir(parents=True, exist_ok=False)
        _link(run_dir, str(config.hydra.sweep.subdir))
        hydra_files.write(hydra_files.unresolved(config), run_dir)
        return interpolations.plain(config), run_dir


def _link(run_dir: Path, name: str) -> None:
    """Have a trial's directory found by the name that `hydra.sweep.subdir` gives it, too."""
    sweep_dir = run_dir.parent
    link = Path(os.path.normpath(sweep_dir / name))
    if link != run_dir and link.is_relative_to(sweep_dir) and not os.path.lexists(link):
        with contextlib.suppress(OSError):  # too long a name, or a file system without links
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(run_dir, link.parent), target_is_directory=True)


def own(overrides: Sequence[str]) -> list[str]:
    """Return a point's overrides without those of Hydra's own node."""
    return [o for o in overrides if not is_hydra(o)]


class LocalLauncher(SweepLauncher):
    """Runs the points of a sweep side by side on this machine, each in a process of its own."""


class VectorizedLauncher(SweepLauncher):
    """Trains the points of a sweep that differ in numbers only in one graph, and the others as `local` does."""


class RayLauncher(SweepLauncher):
    """Runs the points of a sweep on a Ray cluster."""


class SubmititLauncher(SweepLauncher):
    """Runs the points of a sweep as Slurm's jobs."""
