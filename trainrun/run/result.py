"""The result that a run returns to its caller."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunResult:
    """The result of a run that finished; one that failed raises instead.

    Args:
        run_dir: the run's directory.
        status: FINISHED.
        metrics: final, name -> number; `val_` and `test_` before those of the other splits.
        history: name -> one value an epoch.
        summary: the content of summary.json.
        model: the trained Keras model; a real target is predicted in its own unit.
    """

    run_dir: Path
    status: str
    metrics: dict[str, float]
    history: dict[str, list[float]]
    summary: dict[str, Any]
    model: Any

    @classmethod
    def read(cls, run_dir: Path) -> RunResult:
        """Return the recorded result of a run that other processes have trained, without history and model."""
        summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
        return cls(run_dir, summary["status"], summary["metrics"], {}, summary, None)
