"""The rule of settings that need a trainer of steps on batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.registry import declaration_reader, lookup

WAY_OUT = "take trainer=fit, train_on_batch or custom."


def fault(config: Mapping[str, Any], reason: str) -> str | None:
    """Return why the chosen trainer does not take steps on batches, with the way out; None: it does.

    Args:
        config: of the run.
        reason: why the setting does not go with trainrun's trainers of the whole data, a sentence without its subject: ``has no epochs.``
    """
    name = (config.get("trainer") or {}).get("name")
    if declaration_reader.of("trainer", name).takes_steps:
        return None
    if lookup.is_plugin("trainer", str(name)):
        declare = "Give trainrun.register takes_steps=True if it trains step by step on batches, or"
        return f"trainer={name} does not declare takes_steps. {declare} {WAY_OUT}"
    return f"trainer={name} {reason} {WAY_OUT.capitalize()}"
