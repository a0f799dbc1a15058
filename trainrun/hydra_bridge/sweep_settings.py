"""The settings of a sweep, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config import plugins
from trainrun.config.rules.settings import whole_numbers
from trainrun.hydra_bridge import override_grammar, own_plugins
from trainrun.registry import direction, log_columns, option_files
from trainrun.sweep.launchers import launcher_settings


def settings(config: Any, command: Sequence[str]) -> dict[str, Any]:
    """Return the settings that a sweep's own process needs, as plain values.

    Args:
        config: the sweep's own, with the node `hydra`.
        command: as typed, for the records.
    """
    from omegaconf import OmegaConf

    from trainrun.hydra_bridge import sweep_sources

    sweep = of_sweep(
        OmegaConf.to_container(config.sweep, resolve=True),
        config.seeds,
        OmegaConf.to_container(config.metric, resolve=True),
    )
    sweep["folds"] = folds(config)
    sweep["space"] = {**sweep_sources.params(config), **(sweep["space"] or {})}
    typed = _texts(config.hydra.overrides.task)
    return {
        # Of several experiments, each may name its own.
        "plugins": list(dict.fromkeys([*config.plugins, *plugins.early(command), *plugins.offered()])),
        "command": list(command),
        "tracking": OmegaConf.to_container(config.tracking, resolve=True),
        "alert": OmegaConf.to_container(config.alert, resolve=True),
        "grace": float(config.checkpoint.grace),
        "varying": frozenset(
            [
                *typed,
                *(str(k).lstrip("+") for k in sweep["space"]),
                *["seed"] * bool(sweep["seeds"]),
                *["data.fold"] * bool(sweep["folds"]),
            ]
        ),
        "seed": int(config.seed),
        "swept": {**typed, **sweep["space"]},
        "name": config.name,
        "plots": bool(config.artifacts.plots),
        "wait": config.artifacts.wait,
        "launcher": _launcher(config.hydra),
        "sweeper": sweep_sources.settings(config),
        "overrides": [str(o) for o in config.hydra.overrides.task],
        "hydra": [str(o) for o in config.hydra.overrides.hydra],
        "config": _where(config.hydra),
        **sweep,
    }


def folds(config: Any) -> int | None:
    """Return the number of folds on each of which every setting is trained; None: the data has none, or one is chosen.

    Args:
        config: the sweep's own, or a run's.
    """
    data = config["data"]
    chosen = data.get("fold") is not None or not isinstance(data.get("folds"), int) or data["folds"] < 2
    return None if chosen else int(data["folds"])


def of_sweep(node: Mapping[str, Any], seeds: int | None, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of sweeps for the sweep loop: without a pruner None, a direction in place of ``auto``.

    The resolved direction is recorded, since a later process may lack the plug-in that declares the metric.

    Args:
        node: the resolved node `sweep`.
        seeds: of the root.
        metrics: the resolved node `metric`.
    """
    whole = {"sweep": dict(node), "seeds": seeds}
    whole_numbers(whole)
    node, seeds = whole["sweep"], whole["seeds"]
    pruner = None if node["pruner"]["name"] == "none" else node["pruner"]
    objective, columns = node["objective"], log_columns.of_metrics(metrics, None, None)
    if isinstance(objective, str):
        objective = log_columns.canonical(objective, columns)
    elif objective is not None:
        objective = [log_columns.canonical(name, columns) for name in objective]
    way = direction.resolved(objective, node["direction"], metrics)
    return {**node, "pruner": pruner, "seeds": seeds, "objective": objective, "direction": way}


def _launcher(hydra: Any) -> dict[str, Any]:
    """Return the launcher's name and settings, which a resumed sweep keeps."""
    from omegaconf import OmegaConf

    node = OmegaConf.to_container(hydra.launcher, resolve=True)
    name = own_plugins.name_of(node, str(hydra.runtime.choices["hydra/launcher"]))
    return launcher_settings.complete({"name": name, **{k: v for k, v in node.items() if k != "_target_"}})


def _where(hydra: Any) -> dict[str, Any]:
    """Return the values of `-cn`, `-cp` and `-cd`."""
    main = [str(s.path) for s in hydra.runtime.config_sources if s.provider == "main"]
    path = next((p for p in main if Path(p) != option_files.package_conf()), None)
    return {
        "name": str(hydra.job.config_name),
        "path": path,
        "folders": [str(f) for f in option_files.extra_folders],
    }


def _texts(overrides: Sequence[Any]) -> dict[str, str]:
    """Return the varied overrides as typed: key -> values."""
    typed = (str(o).partition("=") for o in overrides if override_grammar.swept(str(o)))
    return {key.lstrip("+"): values for key, _, values in typed}
