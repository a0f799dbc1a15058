"""Which weights are trained and how: a table before training and for `check`, and the same for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from trainrun.config.rules.freezing import names_weights
from trainrun.failure.interfaces import Record
from trainrun.model import freezing
from trainrun.optimizer import _groups
from trainrun.trainer.job import Job
from trainrun.ui import console


def rows(config: Mapping[str, Any], job: Job) -> list[dict[str, Any]]:
    """Return for each weight its path, shape and state, and the settings of its groups in the optimizer."""
    groups = config["optimizer"].get("groups") or {}
    return [
        asdict(row) | (_groups.settings(groups, row.path) if row.state == "trained" else {})
        for row in freezing.rows(job.model)
    ]


def show(config: Mapping[str, Any], job: Job) -> None:
    """Print a row for each weight of a model."""
    listed = rows(config, job)
    keys = [k for k in (_groups.SCALE, _groups.DECAY) if any(k in row for row in listed)]
    lines = [
        [
            row["path"],
            "×".join(map(str, row["shape"])),
            row["state"],
            *(f"{row[k]:g}" if k in row else "" for k in keys),
        ]
        for row in listed
    ]
    console.table("", ["weight", "shape", "", *keys], lines)
    console.note(freezing.line(job.model))


def report(config: Mapping[str, Any], job: Job, record: Record) -> None:
    """Print and record what becomes of each weight, if the config treats them differently."""
    if names_weights(config):
        show(config, job)
        record.event("weights", weights=rows(config, job))
