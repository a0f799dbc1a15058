"""The plots of a sweep: drawn before its end, or by a process in the background, so that the prompt need not wait for them.

That process is `python -m trainrun.sweep.background_plots SWEEP_DIR`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.sweep import sweep_record
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import best
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import best_plots, sweep_plots
from trainrun.ui import console, streams
from trainrun.util import subprocesses

NICE = 10  # the next command goes first


def write(
    sweep_dir: Path, trials: Sequence[Trial], objective: Objective | None, settings: Mapping[str, Any]
) -> list[Path]:
    """Draw the plots of a sweep and of its best trial; return the sweep's.

    Args:
        sweep_dir: the sweep's directory.
        trials: that have ended.
        objective: that they are ranked by, if any.
        settings: see `sweep_settings.settings`.
    """
    with best_plots.of_the_best([] if objective is None else best.of(trials, objective)):
        return sweep_plots.write(sweep_dir, trials, settings)


def waits(settings: Mapping[str, Any]) -> bool:
    """Return whether the command ends only when all is drawn and sent: `artifacts.wait`, by default unless it is on a terminal."""
    wait = settings.get("wait")
    return not streams.is_terminal() if wait is None else bool(wait)


def in_background(sweep_dir: Path) -> None:
    """Draw what was left out, in a process that outlives this one; where there can be none, here."""
    try:
        subprocesses.start(
            "trainrun.sweep.background_plots",
            str(sweep_dir),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # no memory, or no process left
        complete(sweep_dir)


def complete(sweep_dir: Path) -> None:
    """Draw and record what a sweep lacks after its end, if no other process has done so."""
    from trainrun.run import deferred_plots

    def draw() -> None:
        settings = sweep_record.read(sweep_dir)["settings"]
        trials = [t for t in sweep_record.trials(sweep_dir) if t.status != "WAITING"]
        write(sweep_dir, trials, Objective.of(settings["objective"], settings["direction"], trials), settings)

    deferred_plots.complete(sweep_dir, draw)


if __name__ == "__main__":
    os.nice(NICE)
    console.quiet()
    complete(Path(sys.argv[1]))
