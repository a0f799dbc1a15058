"""Hydra's side of the engines of other packages: their options, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.hydra_bridge.launcher_plugins import SweepLauncher, jobs_problem

CLUSTERS = ("slurm", "local", "debug")


@dataclass
class RayConf:
    """The settings of `hydra/launcher=ray`.

    Args:
        address: of the head: ``host:6379``, ``ray://host:10001``; auto: the cluster that this machine is part of, or that
            RAY_ADDRESS names; local: a Ray of this sweep's own; null: RAY_ADDRESS, or local.
        n_jobs: trials at once; auto: as many as the cluster has CPUs and GPUs for.
        num_cpus, num_gpus: of a trial, declared to Ray; parts of a GPU are allowed.
        resources: of the cluster's own that a trial needs: {big_memory: 1}.
        shared_files: whether the nodes see the sweep's directory; auto: each looks.
        runtime_env: further of Ray's: {pip: [my_package]}; on the command line only.
    """

    _target_: str = "hydra_plugins.trainrun.RayLauncher"
    address: str | None = None
    n_jobs: Any = "auto"
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: dict[str, float] = field(default_factory=dict)
    shared_files: Any = "auto"
    runtime_env: dict[str, Any] = field(default_factory=dict)


@dataclass
class SubmititConf:
    """The settings of `hydra/launcher=submitit`.

    Args:
        cluster: slurm, or local: this machine, or debug: one after another, in this process' child.
        n_jobs: trials at once, those that wait in the queue too; auto: 256 of Slurm's, of this machine as cores.
        minutes: that Slurm gives a job; one that needs more is queued again.
        requeues: so many times at most.
        signal_seconds: before its end, a job gets so many to save itself.
        cpus, gpus, mem_gb: of a trial.
        partition, account, qos, constraint: Slurm's.
        additional_parameters: further of sbatch's: {mail_type: FAIL}; on the command line only.
    """

    _target_: str = "hydra_plugins.trainrun.SubmititLauncher"
    cluster: str = "slurm"
    n_jobs: Any = "auto"
    minutes: int = 60
    requeues: int = 10
    signal_seconds: int = 90
    cpus: int = 2
    gpus: int = 0
    mem_gb: float = 4.0
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)


class ForeignLauncher(SweepLauncher):
    """Has trials run by another package.

    Args:
        settings: as in its conf.
    """

    package = ""
    conf: type = RayConf
    # key -> the least that a number may be
    least: dict[str, float] = {}

    def __init__(self, **settings: Any):
        super().__init__()
        self.given = {f.name: settings.get(f.name, _default(f)) for f in dataclasses.fields(self.conf)}

    def problems(self) -> list[Problem]:
        """Return what is wrong with the settings, or with this machine."""
        if importlib.util.find_spec(self.package) is None:
            return [
                Problem(
                    "hydra/launcher",
                    f"{self.package} needs a package that is not installed here: pip install 'trainrun[{self.package}]'. "
                    "Or take hydra/launcher=local.",
                )
            ]
        found = [*jobs_problem(self.given["n_jobs"]), *self._numbers()]
        return found or [*self.faults()]

    def faults(self) -> Iterator[Problem]:
        """Yield what else is wrong."""
        yield from ()

    def _numbers(self) -> Iterator[Problem]:
        for key, least in self.least.items():
            value = self.given[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
                yield Problem(
                    f"hydra.launcher.{key}", f"expected a number, at least {least:g}, got {value!r}."
                )


class RayLauncher(ForeignLauncher):
    """Runs the points of a sweep on a Ray cluster."""

    package, conf = "ray", RayConf
    least = {"num_cpus": 0, "num_gpus": 0}

    def faults(self) -> Iterator[Problem]:
        """Yield why the cluster cannot be reached."""
        from trainrun.sweep.launchers import ray_address

        if self.given["shared_files"] not in ("auto", True, False):
            yield Problem(
                "hydra.launcher.shared_files",
                f"expected auto, true or false, got {self.given['shared_files']!r}.",
            )
        if (fault := ray_address.fault(self.given["address"])) is not None:
            yield Problem("hydra.launcher.address", fault)


class SubmititLauncher(ForeignLauncher):
    """Runs the points of a sweep as Slurm's jobs."""

    package, conf = "submitit", SubmititConf
    least = {"minutes": 1, "requeues": 0, "signal_seconds": 1, "cpus": 1, "gpus": 0, "mem_gb": 0.1}

    def faults(self) -> Iterator[Problem]:
        """Yield why nothing could be submitted."""
        cluster = self.given["cluster"]
        if cluster not in CLUSTERS:
            hint = did_you_mean(str(cluster), CLUSTERS)
            yield Problem(
                "hydra.launcher.cluster", f"expected one of {', '.join(CLUSTERS)}, got {cluster!r}.{hint}"
            )
        elif cluster == "slurm" and shutil.which("sbatch") is None:
            yield Problem(
                "hydra.launcher.cluster",
                "there is no Slurm here: no program sbatch is on the path. Start the sweep on a login node, or take "
                "hydra.launcher.cluster=local.",
            )


def _default(found: dataclasses.Field[Any]) -> Any:
    return found.default if found.default_factory is dataclasses.MISSING else found.default_factory()


PLUGINS: list[tuple[str, str, type, type]] = [
    ("hydra/launcher", "ray", RayLauncher, RayConf),
    ("hydra/launcher", "submitit", SubmititLauncher, SubmititConf),
]


def check(launcher: Mapping[str, Any]) -> None:
    """Hold the settings of a launcher against what it takes, as a sweep has written them down.

    Raises:
        UserError: something is wrong with them.
    """
    plugin = {name: plugin for _, name, plugin, _ in PLUGINS}[launcher["name"]]
    if problems := plugin(**launcher).problems():
        raise UserError(problems)
