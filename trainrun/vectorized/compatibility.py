"""Which trials may be trained together, by their configs alone; whether they can, their graph tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainrun.sweep.launchers import fork_server

TRAINERS = ("fit", "custom", "train_on_batch")
HARDWARE = (*fork_server.HARDWARE, "gpu")
# Nodes of the config in which trials may differ by numbers.
NUMBERS = ("model", "loss", "optimizer", "schedule", "metric", "callback")


def unfit(config: Mapping[str, Any], plugins: bool) -> str | None:
    """Return why a trial is trained by itself, or None.

    Args:
        config: of a trial, resolved.
        plugins: whether the user's own code takes part, which may keep any state.
    """
    return fork_server.alone(config, plugins, TRAINERS, HARDWARE)


def key(config: Mapping[str, Any]) -> str:
    """Return what trials have in common that differ in numbers only."""
    rest = {
        k: _without_numbers(v) if k in NUMBERS else without_seed(v)
        for k, v in config.items()
        if k not in fork_server.NOT_OF_THE_PROGRAM and k != "seed"
    }
    return json.dumps(rest, sort_keys=True, default=str)


def without_seed(value: Any) -> Any:
    """Return a node of a config without its seed."""
    return {str(k): v for k, v in value.items() if k != "seed"} if isinstance(value, Mapping) else value


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_numbers(v) for k, v in value.items() if k != "seed"}
    if isinstance(value, list | tuple):
        return [_without_numbers(v) for v in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value
