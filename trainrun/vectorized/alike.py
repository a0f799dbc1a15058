"""Which trials may be trained together, by their configs alone; whether they can, their graph tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainrun.sweep.workers import HARMLESS, NOT_OF_THE_PROGRAM

TRAINERS = ("fit", "custom", "train_on_batch")
# Nodes of the config in which trials may differ by numbers.
NUMBERS = ("model", "loss", "optimizer", "schedule", "metric", "callback")


def unfit(config: Mapping[str, Any], plugins: bool) -> str | None:
    """Return why a trial is trained by itself, or None.

    Args:
        config: of a trial, resolved.
        plugins: whether code of the user's own takes part, of which nobody knows what it keeps.
    """
    trainer, hardware, tune = config["trainer"], config["hardware"], config["tune"]
    callbacks = [c.get("name") for c in (config["callback"] or {}).values()]
    odd = sorted(set(map(str, callbacks)) - set(HARMLESS))
    reasons = {
        "plug-ins may keep what nobody knows of": plugins,
        f"trainer={trainer['name']}": trainer["name"] not in TRAINERS,
        "a step of its own": trainer.get("step") is not None,
        "trainer.jit_compile=true": trainer.get("jit_compile") is True,
        "trainer.run_eagerly=true": trainer["run_eagerly"],
        "trainer.accumulate": (trainer.get("accumulate") or 1) != 1,
        f"hardware={hardware['name']}": hardware["name"] not in ("auto", "cpu", "gpu"),
        "hardware.virtual_devices": bool(hardware.get("virtual_devices")),
        "tune": tune.get("batch_size") is not None or tune.get("learning_rate") is not None,
        "profile=true": config["profile"],
        f"callback={','.join(odd)}": odd,
    }
    return next((text for text, holds in reasons.items() if holds), None)


def key(config: Mapping[str, Any]) -> str:
    """Return what trials have in common that differ in numbers only."""
    rest = {
        k: _without_numbers(v) if k in NUMBERS else _without_seed(v)
        for k, v in config.items()
        if k not in NOT_OF_THE_PROGRAM and k != "seed"
    }
    return json.dumps(rest, sort_keys=True, default=str)


def _without_seed(value: Any) -> Any:
    return {str(k): v for k, v in value.items() if k != "seed"} if isinstance(value, Mapping) else value


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_numbers(v) for k, v in value.items() if k != "seed"}
    if isinstance(value, list | tuple):
        return [_without_numbers(v) for v in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value
