"""Which weights are trained and how: a table before training and for `check`, and the same for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from trainrun.config.rules import freezing as freezing_rules
from trainrun.model import freezing
from trainrun.trainer.job import Job
from trainrun.ui import console


def concerns(config: Mapping[str, Any]) -> bool:
    """Return whether a config treats weights differently, so that there is something to show."""
    return freezing_rules.names_weights(config)


def show(job: Job) -> None:
    """Print a row for each weight of a model."""
    console.table(
        "",
        ["weight", "shape", ""],
        [[r.path, "×".join(map(str, r.shape)), r.state] for r in freezing.rows(job.model)],
    )
    console.note(freezing.line(job.model))


def record(job: Job) -> dict[str, Any]:
    """Return the fields of the journal's event."""
    return {"weights": [asdict(row) for row in freezing.rows(job.model)]}
