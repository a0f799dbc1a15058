"""A sweep before its first trial: its search space, the points that the preflight checks, the number of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainrun.config import override_text
from trainrun.errors import Problem
from trainrun.sweep.space.search_space import Space


@dataclass
class Plan:
    """The plan of a sweep.

    Args:
        points: overrides of the points to compose and check: all of a grid; of random and optuna each choice,
            both ends of each interval, every condition.
        total: maximum number of trials.
        problems: of the sweep's own settings.
        fault: why Hydra does not compose the sweep's own config; problems of the points, if any, are reported instead.
        launcher: the option of `hydra/launcher`; None if the config does not compose.
        seeds, folds: for each setting, or None.
    """

    points: list[list[str]] = field(default_factory=list)
    total: int = 0
    problems: list[Problem] = field(default_factory=list)
    fault: Problem | None = None
    launcher: str | None = None
    seeds: int | None = None
    folds: int | None = None


def of(typed: Sequence[str], config_name: str | None = None, config_path: str | None = None) -> Plan:
    """Return the plan of a sweep.

    Args:
        typed: overrides, those of Hydra's own node included.
        config_name, config_path: see `compose.compose`.
    """
    from trainrun.config import override_text, plugins
    from trainrun.hydra_bridge import (
        compose,
        hydra_errors,
        hydra_node_rules,
        registration,
        sweep_sources,
    )

    if unsafe := hydra_node_rules.search_path(typed, config_name, config_path):
        return Plan(problems=unsafe)
    own = [o for o in typed if not override_text.is_hydra(o)]
    with compose.application(config_path) as hydra:
        loader = hydra.config_loader
        settings, fault = _settings(typed, own, config_name, loader)
        # Installed packages' plug-ins are looked up only when something is missing, as in `preflight.overrides`.
        if fault is not None and (offered := plugins.entry_points()):
            plugins.announce([*plugins.early(typed), *offered])
            registration.prepare()
            settings, fault = _settings(typed, own, config_name, loader)
        search_space, faults = sweep_sources.space(settings, loader)
        plan = Plan(problems=faults, launcher=settings.get("launcher"), seeds=settings.get("seeds"))
        plan.folds = settings.get("folds")
        if fault is None:
            plan.problems += sweep_sources.problems(settings, search_space)
        else:
            plan.fault = hydra_errors.from_hydra(fault)
        plan.points, plan.total = _points(settings, search_space)
        if plan.folds:
            plan.points = [[*point, "data.fold=0"] for point in plan.points]
    return plan


def _settings(
    typed: Sequence[str], own: Sequence[str], config_name: str | None, loader: Any
) -> tuple[dict[str, Any], Exception | None]:
    """Return the sweep's settings as `sweep_settings.settings` does, and the exception if they do not compose."""
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from trainrun.config.rules.settings import whole_numbers
    from trainrun.hydra_bridge import compose, interpolations, own_plugins, sweep_sources

    try:
        config = loader.load_configuration(
            config_name or compose.CONFIG_NAME, list(typed), run_mode=RunMode.MULTIRUN
        )
        with interpolations.bounded():
            tree = {"sweep": OmegaConf.to_container(config.sweep, resolve=True), "seeds": config.seeds}
            whole_numbers(tree)
            launcher = own_plugins.name_of(
                config.hydra.launcher, str(config.hydra.runtime.choices.get("hydra/launcher"))
            )
            sweeper = {**sweep_sources.settings(config), "overrides": list(own)}
            return {
                **tree["sweep"],
                "sweeper": sweeper,
                "launcher": launcher,
                **_replicates(tree["seeds"], config, own),
            }, None
    except Exception as error:
        return {"sweeper": {"name": sweep_sources.GRID, "overrides": list(own)}}, error


def _replicates(seeds: int | None, config: Any, own: Sequence[str]) -> dict[str, int | None]:
    """Return the numbers of seeds and folds of each setting; folds that the sweep varies itself are not repeated."""
    from trainrun.hydra_bridge import sweep_settings

    varied = any(override_text.key(o) == "data.fold" for o in own)
    return {"seeds": seeds, "folds": None if varied else sweep_settings.folds(config)}


def _points(settings: Mapping[str, Any], search_space: Space) -> tuple[list[list[str]], int]:
    from trainrun.hydra_bridge import sweep_sources

    if settings["sweeper"]["name"] in sweep_sources.DRAWING or search_space.intervals:
        points = [search_space.overrides(chosen) for chosen in search_space.corners()]
        return points, settings.get("trials") or 0
    points = [search_space.overrides(chosen) for chosen in search_space.grid()]
    return points, len(points)
