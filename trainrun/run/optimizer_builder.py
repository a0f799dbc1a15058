"""Config -> the optimizer of a run, with its schedule and the rate's factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

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
    built = construct("optimizer", spec, complete=True, **plan.lengths())
    factor = plan.batch_size / config["trainer"].get("batch_size", plan.batch_size)
    if config["hardware"].get("scale_learning_rate") == "linear" and factor != 1:
        replicas.scale_rate(built, factor)
        console.note(f"learning rate × {factor:g}: the linear rule for {factor:g} times the examples a step")
    if rate != 1:
        replicas.scale_rate(built, rate)
    return built


def _in_steps(group: str, spec: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    names = signatures.lengths(resolve(group, spec)[0])
    return lengths.in_steps(names, spec, plan.total_steps, plan.steps_per_epoch)
