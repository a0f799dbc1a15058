"""Engines of a sweep's trials, by the name of its launcher."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainrun.sweep.launchers import launcher_settings

if TYPE_CHECKING:
    from trainrun.sweep.launchers.interface import Engine

# Name of the launcher -> module and function of its engine.
FOREIGN = {
    "ray": ("trainrun.sweep.launchers.ray", "RayCore"),
    "submitit": ("trainrun.sweep.launchers.submitit", "Submitit"),
}
VECTORIZED = "trainrun.vectorized.engine"


def of(settings: Mapping[str, Any], trials: int, jobs: int | str | None = None) -> Engine:
    """Return the engine of a sweep.

    Args:
        settings: see `sweep_settings.settings`; ``launcher`` names it. Without one, or with one of another package (Hydra's own):
            local processes.
        trials: their maximum number.
        jobs: at once, in place of the launcher's ``n_jobs``.

    Raises:
        UserError: the launcher's package is not installed, its cluster does not answer, and the like.
    """
    launcher = launcher_settings.complete(settings.get("launcher") or {"name": "local"})
    if not launcher_settings.defaults(launcher["name"]):
        launcher = {**launcher_settings.defaults("local"), **launcher}
    if jobs is not None:
        launcher["n_jobs"] = jobs
    if launcher["name"] in FOREIGN:
        launcher_settings.check(launcher)  # checked again for a resumed sweep
        module, name = FOREIGN[launcher["name"]]
        return getattr(importlib.import_module(module), name)({**settings, "launcher": launcher}, trials)
    if launcher["name"] == "vectorized":
        engine = importlib.import_module(VECTORIZED).Vectorized  # a package above this one: by name
        return engine.of({**settings, "launcher": launcher}, trials)
    from trainrun.sweep.launchers.local import Pool

    return Pool.of(settings, launcher["n_jobs"], trials, launcher["per_gpu"])
