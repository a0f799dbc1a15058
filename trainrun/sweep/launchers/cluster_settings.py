"""Settings of the launchers that need another package or a cluster, and what is wrong with them on this machine."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainrun.errors import Problem, UserError, did_you_mean

CLUSTERS = ("slurm", "local", "debug")


@dataclass
class RaySettings:
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

    address: str | None = None
    n_jobs: Any = "auto"
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: dict[str, float] = field(default_factory=dict)
    shared_files: Any = "auto"
    runtime_env: dict[str, Any] = field(default_factory=dict)


@dataclass
class SubmititSettings:
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


def _ray(settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield why the cluster cannot be reached."""
    from trainrun.sweep.launchers import ray_address

    if settings["shared_files"] not in ("auto", True, False):
        yield Problem(
            "hydra.launcher.shared_files", f"expected auto, true or false, got {settings['shared_files']!r}."
        )
    if (fault := ray_address.fault(settings["address"])) is not None:
        yield Problem("hydra.launcher.address", fault)


def _submitit(settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield why no job could be submitted."""
    cluster = settings["cluster"]
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


# launcher -> its settings, the least that numbers among them may be, and what else is checked.
LAUNCHERS: dict[str, tuple[type, dict[str, float], Callable[[Mapping[str, Any]], Iterator[Problem]]]] = {
    "ray": (RaySettings, {"num_cpus": 0, "num_gpus": 0}, _ray),
    "submitit": (
        SubmititSettings,
        {"minutes": 1, "requeues": 0, "signal_seconds": 1, "cpus": 1, "gpus": 0, "mem_gb": 0.1},
        _submitit,
    ),
}


def complete(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a launcher's settings, those that are not given by their defaults."""
    return dataclasses.asdict(LAUNCHERS[name][0](**{k: v for k, v in given.items() if k != "name"}))


def problems(name: str, given: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a launcher's settings, or with this machine.

    Args:
        name: one of `LAUNCHERS`.
        given: its settings.
    """
    if importlib.util.find_spec(name) is None:
        return [
            Problem(
                "hydra/launcher",
                f"{name} needs a package that is not installed here: pip install 'trainrun[{name}]'. "
                "Or take hydra/launcher=local.",
            )
        ]
    settings, (_, least, further) = complete(name, given), LAUNCHERS[name]
    found = jobs_problem(settings["n_jobs"])
    for key, bound in least.items():
        value = settings[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= bound:
            found.append(
                Problem(f"hydra.launcher.{key}", f"expected a number, at least {bound:g}, got {value!r}.")
            )
    return found or list(further(settings))


def check(launcher: Mapping[str, Any]) -> None:
    """Hold the settings of a recorded sweep's launcher against this machine.

    Args:
        launcher: `name` and settings.

    Raises:
        UserError: something is wrong with them.
    """
    if found := problems(launcher["name"], launcher):
        raise UserError(found)


def jobs_problem(value: Any) -> list[Problem]:
    """Return what is wrong with a launcher's `n_jobs`."""
    if is_count(value) or value == "auto":
        return []
    return [Problem("hydra.launcher.n_jobs", f"expected a whole number, at least 1, or auto, got {value!r}.")]


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number of at least one."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
