"""Settings of launchers: their keys, from `conf/hydra/launcher/`, and their problems on this machine."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import hints, option_files

GROUP = "hydra/launcher"
# Launchers that need a package of their name.
FOREIGN = ("ray", "submitit")
CLUSTERS = ("slurm", "local", "debug")
COUNTS = ("per_gpu", "max_trials", "n_jobs")
# Minimum of the settings that are numbers; those whose default is a whole number take whole numbers only.
LEAST = {
    "num_cpus": 0,
    "num_gpus": 0,
    "minutes": 1,
    "requeues": 0,
    "signal_seconds": 1,
    "cpus": 1,
    "gpus": 0,
    "mem_gb": 0.1,
}
TEXTS = ("address", "partition", "account", "qos", "constraint")


def defaults(name: str) -> dict[str, Any]:
    """Return the keys of a launcher with their defaults; empty for a launcher of another package."""
    option = option_files.packaged(GROUP).get(name)
    return dict(option.values) if option is not None else {}


def complete(launcher: Mapping[str, Any]) -> dict[str, Any]:
    """Return a launcher's settings with defaults for missing ones, and ints for whole floats where ints are meant.

    Args:
        launcher: `name` and settings, as a sweep records them.
    """
    known = defaults(launcher["name"])
    counts = {k for k, v in known.items() if k in COUNTS or (k in LEAST and isinstance(v, int))}
    return {k: hints.whole(int, v) if k in counts else v for k, v in {**known, **launcher}.items()}


def check(launcher: Mapping[str, Any]) -> None:
    """Check the launcher settings of a recorded sweep on this machine.

    Args:
        launcher: `name` and settings.

    Raises:
        UserError: they have problems.
    """
    if faults := problems(launcher["name"], {k: v for k, v in launcher.items() if k != "name"}):
        raise UserError(faults)


def problems(name: str, typed: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of a launcher's settings, or of this machine.

    Args:
        name: of one of trainrun's launchers.
        typed: its settings; keys that are missing have their defaults.
    """
    if name in FOREIGN and importlib.util.find_spec(name) is None:
        return [
            Problem(
                GROUP,
                f"{name} needs a package that is not installed here: pip install 'trainrun[{name}]'. "
                f"Or take {GROUP}=local.",
            )
        ]
    known = defaults(name)
    faults = [
        Problem(
            f"hydra.launcher.{key}",
            f"no such key in {GROUP}={name}.{did_you_mean(str(key), known)} It takes {', '.join(known)}.",
        )
        for key in typed
        if key not in known
    ]
    settings = complete({"name": name, **typed})
    for key, default in known.items():
        if (expected := _expected(key, settings[key], default)) is not None:
            faults.append(Problem(f"hydra.launcher.{key}", f"expected {expected}, got {settings[key]!r}."))
    if not faults and name == "ray":
        faults += _ray(settings)
    if not faults and name == "submitit":
        faults += _submitit(settings)
    return faults


def _expected(key: str, value: Any, default: Any) -> str | None:
    """Return the expected value of a setting as a phrase; None if it has one."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in COUNTS:
        if value == "auto" and default == "auto":
            return None
        fits = isinstance(value, int) and number and value >= 1
        return None if fits else "a whole number, at least 1" + (", or auto" if default == "auto" else "")
    if key in LEAST:
        fits = number and value >= LEAST[key] and (isinstance(default, float) or isinstance(value, int))
        kind = "a number" if isinstance(default, float) else "a whole number"
        return None if fits else f"{kind}, at least {LEAST[key]:g}"
    if isinstance(default, Mapping):
        return None if isinstance(value, Mapping) else "keys and values"
    if key in TEXTS:
        # In a batch script, a second line would be a command.
        line = isinstance(value, str) and len(value.splitlines()) <= 1
        return None if value is None or line or number else "text of one line, or null"
    return None


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
    """Yield why jobs cannot be submitted."""
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
