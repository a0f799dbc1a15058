"""The phases of a run that are still to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.checkpoint import file
from trainrun.config import phases
from trainrun.config.phases import Phase
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.checkpoint.resume_point import Resume


def to_come(config: Mapping[str, Any], run_dir: Path, resume: Resume | None) -> list[Phase]:
    """Return the phases from the one that training begins or goes on with.

    Args:
        config: resolved and checked.
        run_dir: the run's directory, with the checkpoints of a run that is resumed.
        resume: None: a new run.
    """
    listed = phases.listed(config)
    checkpoint = file.newest(run_dir)[0] if resume is not None and len(listed) > 1 else None
    current = phases.at(listed, 0 if checkpoint is None else checkpoint.epoch)
    return listed[current.number - 1 :]


def announce(phase: Phase) -> dict[str, Any]:
    """Print a line about a phase that begins, and return the fields of its event in the journal."""
    changed = {k: v for k, v in (phase.changed or {}).items() if k != "epochs"}
    listed = ", ".join(f"{k}={'null' if v is None else v}" for k, v in changed.items()) or "the same settings"
    console.note(f"phase {phase.number} of {phase.of}, from epoch {phase.first + 1} on: {listed}")
    return {"number": phase.number, "of": phase.of, "epoch": phase.first, "changed": changed}
