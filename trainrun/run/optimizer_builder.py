"""Config -> the optimizer of a run, with its schedule and the rate's factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from trainrun.config import optimizer_map
from trainrun.config.rules import combinations
from trainrun.hardware import replicas
from trainrun.registry import signatures
from trainrun.registry.construct import construct, resolve
from trainrun.trainer.job import Plan
from trainrun.ui import console
from trainrun.util import lengths


def optimizer(config: Mapping[str, Any], plan: Plan, rate: float = 1.0) -> keras.optimizers.Optimizer:
    """Return the optimizer, with the schedule as its learning rate where there is one; times `rate`."""
    spec = _in_steps("optimizer", config["optimizer"], plan)
    if config["artifacts"].get("weights") == "ema":
        spec["use_ema"] = True
    if combinations.has_schedule(config):
        spec["learning_rate"] = construct(
            "schedule",
            _in_steps("schedule", config["schedule"], plan),
            complete=True,
            **plan.lengths(),
        )
    if listed := optimizer_map.entries(config):
        spec["map"] = {pattern: _of_map(one, plan) for pattern, one in listed.items()}
    built = construct("optimizer", spec, complete=True, **plan.lengths())
    for inner, name in zip(getattr(built, "optimizers", ()), optimizer_map.names(config), strict=False):
        inner.name = name  # by which Keras' callbacks log its rate
    factor = plan.batch_size / config["trainer"].get("batch_size", plan.batch_size)
    if config["hardware"].get("scale_learning_rate") == "linear" and factor != 1:
        replicas.scale_rate(built, factor)
        console.note(f"learning rate × {factor:g}: the linear rule for {factor:g} times the examples a step")
    if rate != 1:
        replicas.scale_rate(built, rate)
    return built


def _of_map(spec: Mapping[str, Any], plan: Plan) -> keras.optimizers.Optimizer:
    """Return one of the optimizers in `optimizer.map`, with its own schedule."""

    def built(group: str, spec: Mapping[str, Any]) -> Any:
        with_defaults = {**resolve(group, spec)[1], "name": spec["name"]}
        return construct(
            group, _in_steps(group, with_defaults, plan), key=optimizer_map.KEY, **plan.lengths()
        )

    own = {k: v for k, v in spec.items() if k != optimizer_map.SCHEDULE}
    if (schedule := optimizer_map.schedule(spec)) is not None:
        own[optimizer_map.RATE] = built("schedule", schedule)
    return built("optimizer", own)


def _in_steps(group: str, spec: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    names = signatures.lengths(resolve(group, spec)[0])
    return lengths.in_steps(names, spec, plan.total_steps, plan.steps_per_epoch)
