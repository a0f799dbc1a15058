"""Which weights are trained and how: a table before training and for `check`, and the same for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from trainrun.config import optimizer_map
from trainrun.config.rules.freezing import names_weights
from trainrun.failure.interfaces import Record
from trainrun.model import freezing, variable_paths
from trainrun.optimizer import _groups
from trainrun.run import model_builder
from trainrun.trainer.job import Job
from trainrun.ui import console


def show(config: Mapping[str, Any], job: Job) -> list[dict[str, Any]]:
    """Print a row for each weight of a model: its path, shape and state, and the settings of its groups in the optimizer.

    Returns:
        The rows, for the journal.
    """
    groups, listed = config["optimizer"].get("groups") or {}, freezing.rows(job.model)
    own = [_groups.settings(groups, row.path) if row.state == "trained" else {} for row in listed]
    keys = [k for k in (_groups.SCALE, _groups.DECAY) if any(k in settings for settings in own)]
    lines = [
        [row.path, variable_paths.dimensions(row.shape), row.state, *(f"{s[k]:g}" if k in s else "" for k in keys)]
        for row, s in zip(listed, own, strict=True)
    ]  # fmt: skip
    if named := optimizer_map.names(config):
        multi = model_builder.with_map(job.model)
        keys = ["optimizer"]
        own = [
            {"optimizer": named[multi.member(row.path)]} if row.state == "trained" else {} for row in listed
        ]
        lines = [[*line, s.get("optimizer", "")] for line, s in zip(lines, own, strict=True)]
    console.table("", ["weight", "shape", "", *keys], lines)
    console.note(freezing.line(listed))
    return [asdict(row) | settings for row, settings in zip(listed, own, strict=True)]


def before_rounding(config: Mapping[str, Any]) -> str | None:
    """Return what is said beside results of `model.keras` if the run's own are of rounded weights, or None."""
    if (mode := config["model"].get("quantization_aware")) is None:
        return None
    return f"this is of model.keras, with its weights before rounding; the run's own metrics are of the model in {mode}"


def report(config: Mapping[str, Any], job: Job, record: Record) -> None:
    """Print and record what becomes of each weight, if the config treats them differently; say if they are rounded."""
    if (mode := config["model"].get("quantization_aware")) is not None:
        console.note(
            f"losses and metrics are of the model in {mode}; model.keras has its weights before rounding, and the model that was "
            f"measured is trainrun export RUN --format keras --quantize {mode}"
        )
    if names_weights(config):
        record.event("weights", weights=show(config, job))
