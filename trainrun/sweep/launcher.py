"""`hydra/launcher=local`: Hydra's door to the sweep's own processes; Hydra composes, `sweep.story` does the rest."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from trainrun.errors import Problem, UserError

if TYPE_CHECKING:
    from trainrun.sweep.story import Ended
    from trainrun.sweep.trial import Trial


@dataclass
class LocalConf:
    """The launcher's settings.

    Args:
        n_jobs: trials at once; auto: as many as there are cores, or GPUs, and memory for.
        per_gpu: trials that share a GPU.
    """

    _target_: str = "hydra_plugins.trainrun.LocalLauncher"
    n_jobs: Any = "auto"
    per_gpu: int = 1


class LocalLauncher(Launcher):
    """Runs the points of a sweep side by side, each in a process of its own.

    Args:
        n_jobs, per_gpu: see `LocalConf`.
    """

    def __init__(self, n_jobs: int | str = "auto", per_gpu: int = 1):
        self.n_jobs, self.per_gpu = n_jobs, per_gpu
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over; the task is not called: each trial's process runs it by itself."""
        self.config, self.context = config, hydra_context

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the points; returns when all have ended.

        Args:
            job_overrides: of each point.
            initial_job_idx: the number of the first.
        """
        from trainrun.sweep import record, snapshot, story
        from trainrun.sweep.resources import Resources

        for key, value in (("n_jobs", self.n_jobs), ("per_gpu", self.per_gpu)):
            if not (isinstance(value, int) and value >= 1) and (key, value) != ("n_jobs", "auto"):
                raise UserError(
                    Problem(
                        f"hydra.launcher.{key}",
                        f"expected a whole number, at least 1{', or auto' * (key == 'n_jobs')}, got {value!r}.",
                    )
                )
        setup_globals()
        sweep_dir = Path(str(self.config.hydra.sweep.dir)).absolute()
        sweep_dir.mkdir(parents=True, exist_ok=True)
        settings = snapshot.settings(self.config)
        numbered = [(initial_job_idx + i, list(o)) for i, o in enumerate(job_overrides)]
        points = [story.Point(n, partial(self._trial, n, o, settings["varying"])) for n, o in numbered]
        record.write(sweep_dir, [(n, _own(o)) for n, o in numbered], settings)
        resources = Resources.divide(self.n_jobs, len(points), self.per_gpu)
        global ended
        ended = story.run(sweep_dir, points, settings, resources)
        return [
            JobReturn(overrides=t.overrides, _return_value=t.metrics, status=JobStatus.COMPLETED)
            for t in ended.trials
        ]

    def _trial(self, number: int, overrides: list[str], varying: frozenset[str]) -> Trial:
        from trainrun.sweep import record
        from trainrun.sweep.trial import Trial

        config, run_dir = self.compose(number, overrides)
        return Trial(number, own := _own(overrides), record.varied(own, varying), run_dir, config)

    def compose(self, number: int, overrides: list[str]) -> tuple[dict[str, Any], Path]:
        """Return a point's config and directory; what Hydra would write there is written."""
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf

        from trainrun.config import compose, record

        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = str(number), number
        HydraConfig.instance().set_config(config)
        run_dir = (Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)).absolute()
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(run_dir)
        HydraConfig.instance().set_config(config)
        run_dir.mkdir(parents=True, exist_ok=False)
        task = OmegaConf.masked_copy(config, [k for k in config if k != "hydra"])
        record.write(task, run_dir)
        return compose.plain(config), run_dir


# What became of the last sweep: Hydra does not pass it on to whoever has called it.
ended: Ended | None = None


def _own(overrides: Sequence[str]) -> list[str]:
    """Return a point's overrides without those of Hydra's own node."""
    return [o for o in overrides if not o.lstrip("+~").startswith(("hydra.", "hydra/"))]


def register() -> None:
    """Make the launcher known to Hydra."""
    from hydra.core.plugins import Plugins

    # Hydra takes plug-ins only from a package `hydra_plugins`, by import. This module is one of that package by name,
    # so that there need be no second package beside ours.
    try:
        package = importlib.import_module("hydra_plugins")
    except ImportError:
        package = sys.modules["hydra_plugins"] = types.ModuleType("hydra_plugins")
        package.__path__ = []
    package.trainrun = sys.modules[__name__]
    LocalLauncher.__module__ = "hydra_plugins.trainrun"
    sys.modules["hydra_plugins.trainrun"] = package.trainrun
    ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalConf, provider="trainrun")
    Plugins.instance().register(LocalLauncher)
