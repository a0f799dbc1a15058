"""What decides the programs that are compiled for a run, as a text: its config and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainrun.data.dataset import Dataset
from trainrun.failure.adjustments import NO_ADJUSTMENTS, Adjustments
from trainrun.registry import lookup
from trainrun.trainer.job import Plan

# Sections of a config that no step reads.
UNREAD = frozenset({"alert", "artifacts", "checkpoint", "failure", "name", "sweep", "tracking"})


def of(config: Mapping[str, Any], data: Dataset, plan: Plan, adjustments: Adjustments) -> str | None:
    """Return the text; None if the programs depend on something else, such as the user's own code.

    A constant learning rate is left out: it is the value of a variable.

    Args:
        config: resolved.
        data: as loaded; statistics of the labels may be constants of a program.
        plan: of the training.
        adjustments: deviations that failures have led to.
    """
    if adjustments != NO_ADJUSTMENTS or lookup.announced() or config["data"]["name"] == "python":
        return None
    read = {key: value for key, value in config.items() if key not in UNREAD}
    if config["schedule"]["name"] == "constant":
        read["schedule"] = None
        read["optimizer"] = {k: v for k, v in config["optimizer"].items() if k != "learning_rate"}
    lengths = [plan.lengths(), plan.batch_size, plan.first_epoch]
    return json.dumps([read, data.digest(), lengths], sort_keys=True, default=str)
