"""The types of the root config; its defaults stand in conf/. Keys of components are checked by `check`.

Whole numbers are `Any` here: OmegaConf refuses `1e1` for an int, and `rules.settings` converts it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainrun.errors import Problem
from trainrun.registry import option_files


@dataclass
class Artifacts:
    """Files that a run writes besides its record."""

    model: Any = MISSING
    plots: bool = MISSING
    report: bool = MISSING
    weights: str = MISSING
    swa_start: Any = MISSING
    verify: bool = MISSING
    wait: bool | None = MISSING


@dataclass
class Tune:
    """Settings measured before the run: `auto`, or null for the config's value."""

    batch_size: str | None = MISSING
    learning_rate: str | None = MISSING
    gain: float = MISSING
    memory: Any = MISSING
    steps: Any = MISSING
    rates: list[float] = MISSING


@dataclass
class Checkpoint:
    """When checkpoints are written, and which signals write one and stop the run."""

    every: str = MISSING
    keep: Any = MISSING
    grace: float = MISSING
    signals: list[str] = MISSING


@dataclass
class Sweep:
    """A sweep's trials, their ranking and pruning. `Any`: a text, a list or keys."""

    objective: Any = MISSING
    direction: Any = MISSING
    trials: Any = MISSING
    space: Any = MISSING
    zip: list[Any] = MISSING
    pruner: Any = MISSING
    trial_timeout: float | None = MISSING
    max_failures: Any = MISSING
    reuse: str = MISSING
    pictures: str = MISSING
    resume: str | None = MISSING


@dataclass
class Failure:
    """How a run reacts when training fails."""

    out_of_memory: str = MISSING
    non_finite: str = MISSING
    rate: float = MISSING
    rollbacks: Any = MISSING
    lost: str = MISSING
    retries: Any = MISSING
    minutes: float = MISSING


@dataclass
class Alert:
    """Messages about the end of a run. `Any`: a file that names an address gets an answer of its own."""

    webhook: Any = MISSING
    command: Any = MISSING
    events: list[str] = MISSING
    trials: bool = MISSING


# Group of settings -> the option that `conf/trainrun.yaml` takes of it, which has all of its keys.
SETTINGS = {
    "checkpoint": "default",
    "failure": "default",
    "tune": "none",
    "artifacts": "default",
    "alert": "none",
    "sweep": "default",
}
PRUNERS = "sweep/pruner"


@dataclass
class Root:
    """The whole config. `Any` is the type of a node where a group's option decides which keys there are."""

    data: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    metric: Any = field(default_factory=dict)
    optimizer: Any = MISSING
    loss_weights: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    hardware: Any = MISSING
    callback: Any = field(default_factory=dict)
    tracking: Any = field(default_factory=dict)
    augment: Any = field(default_factory=dict)
    threshold: Any = MISSING
    seed: Any = MISSING
    seeds: Any = MISSING
    plugins: list[str] = MISSING
    init_from: Any = MISSING
    init_skip: Any = MISSING
    init_optimizer: bool = MISSING
    teacher: Any = MISSING
    teacher_alpha: Any = MISSING
    teacher_temperature: Any = MISSING
    phases: Any = MISSING
    name: str | None = MISSING
    artifacts: Artifacts = field(default_factory=Artifacts)
    sweep: Sweep = field(default_factory=Sweep)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    failure: Failure = field(default_factory=Failure)
    tune: Tune = field(default_factory=Tune)
    alert: Alert = field(default_factory=Alert)
    profile: bool = MISSING
    profile_steps: list[Any] = MISSING


def defaults() -> dict[str, Any]:
    """Return the settings of the root and their defaults as our own conf/ has them, without the components'."""
    base = option_files.primary("trainrun")
    settings = {group: dict(option_files.packaged(group)[name].values) for group, name in SETTINGS.items()}
    settings["sweep"]["pruner"] = dict(option_files.packaged(PRUNERS)["none"].values)
    return {k: v for k, v in base.items() if k not in ("defaults", "hydra")} | settings


@functools.cache
def typed() -> DictConfig:
    """Return the schema with these defaults: an option of a project may leave out keys of a group of settings."""
    # Not by a merge, which takes as long again.
    groups = {f.name: f.default_factory for f in fields(Root) if f.name in SETTINGS}
    root = OmegaConf.structured(
        Root(**{k: groups[k](**v) if k in groups else v for k, v in defaults().items()})
    )
    # With one tracker, its settings may stand at the top (`tracking.uri=…`), where no YAML has them; `check` knows them.
    OmegaConf.set_struct(root.tracking, False)
    return root


def type_faults(config: Mapping[str, Any]) -> list[Problem]:
    """Return the settings of a config read from a file that have another type than Hydra would have let pass.

    Keys that are missing, or that this version does not know, are none; a component's keys are checked by `check`.
    """
    faults: list[Problem] = []
    values: dict[str, dict[str, Any]] = {}
    for root in fields(Root):
        if root.type == "Any" or root.name not in config:
            continue
        value, group = config[root.name], globals().get(str(root.type))
        if group is None:
            values[root.name] = {root.name: value}
        elif isinstance(value, Mapping):
            names = {f.name for f in fields(group)}
            values |= {f"{root.name}.{k}": {root.name: {k: v}} for k, v in value.items() if k in names}
        else:
            faults.append(Problem(root.name, f"expected settings, got {value!r}."))
    # A merge copies the whole schema: one for all keys, and one for each only where that fails.
    if _type_fault(*values.values()) is not None:
        each = {key: _type_fault(value) for key, value in values.items()}
        faults += [Problem(key, fault) for key, fault in each.items() if fault is not None]
    return faults


def _type_fault(*trees: Mapping[str, Any]) -> str | None:
    """Return why the schema does not take the values of trees, or None."""
    try:
        OmegaConf.merge(typed(), *trees)
    except (OmegaConfBaseException, ValueError, TypeError, RecursionError) as error:
        return f"{(str(error).splitlines() or ['it has a wrong type'])[0]}."
    return None


def plain() -> dict[str, Any]:
    """Return every key of the root with its default as plain values; None for a component that has to be chosen."""
    whole = typed()
    return {
        f.name: None if OmegaConf.is_missing(whole, f.name) else OmegaConf.to_container(whole[f.name])
        if OmegaConf.is_config(whole[f.name])
        else whole[f.name]
        for f in fields(Root)
    }  # fmt: skip
