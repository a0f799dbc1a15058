"""The types of the root config. The groups' own keys are held against their components by `check`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class Artifacts:
    """What a run leaves behind besides its record."""

    model: bool = True
    plots: bool = True
    report: bool = True
    verify: bool = False


@dataclass
class Tune:
    """Settings that are found by trials before the run: `auto`, or null for what the config says."""

    batch_size: str | None = None
    learning_rate: str | None = None
    gain: float = 0.1
    memory: int | None = None
    steps: int = 100
    rates: list[float] = field(default_factory=lambda: [1e-7, 10.0])


@dataclass
class Checkpoint:
    """When a run's state is saved, and which signals save it and stop."""

    every: str = "auto"
    keep: int = 2
    grace: float = 30.0
    signals: list[str] = field(default_factory=list)


@dataclass
class Sweep:
    """What a sweep tries, how its trials are ranked, and when one is given up. `Any`: a text or a list or keys."""

    objective: Any = None
    direction: Any = "auto"
    trials: int | None = None
    space: Any = None
    zip: list[Any] = field(default_factory=list)
    seeds: int | None = None
    pruner: Any = None
    trial_timeout: float | None = None
    max_failures: int | None = 3
    reuse: str = "auto"
    snapshot: str = "note"
    pictures: str = "auto"
    resume: str | None = None


@dataclass
class OnFailure:
    """What a run does when training breaks off."""

    out_of_memory: str = "accumulate"
    non_finite: str = "stop"
    rate: float = 0.5
    rollbacks: int = 3
    lost: str = "retry"
    retries: int = 1
    minutes: float = 5.0


@dataclass
class Root:
    """The whole config. `Any` stands where a group's option decides which keys there are."""

    data: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    metric: Any = field(default_factory=dict)
    optimizer: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    hardware: Any = MISSING
    callback: Any = field(default_factory=dict)
    tracking: Any = MISSING
    seed: int = 42
    plugins: list[str] = field(default_factory=list)
    name: str | None = None
    objective: Any = None
    direction: Any = "auto"
    seeds: int | None = None
    artifacts: Artifacts = field(default_factory=Artifacts)
    sweep: Sweep = field(default_factory=Sweep)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    on_failure: OnFailure = field(default_factory=OnFailure)
    tune: Tune = field(default_factory=Tune)
    profile: bool = False
    profile_steps: list[int] = field(default_factory=lambda: [10, 20])


def store() -> None:
    """Put the schema into Hydra's ConfigStore, where `conf/trainrun.yaml` names it."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="schema", node=Root, provider="trainrun")
