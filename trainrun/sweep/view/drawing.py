"""A sweep's pictures, drawn by a process of their own: matplotlib takes 70 MB, which the sweep's process would keep.

    python -m trainrun.sweep.view.drawing SWEEP_DIR

reads a JSON object a line, the settings and then the trials, and writes one: the files drawn, and what went wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.sweep.ranking.metric_tables import Figures
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import plots
from trainrun.ui import console
from trainrun.util import subprocesses

PATIENCE = 120.0  # seconds
SETTINGS = ("plots", "objective", "direction")
TOLD = ("number", "overrides", "varied", "status", "reason", "seconds", "epochs")


def write(sweep_dir: Path, trials: Sequence[Trial], settings: Mapping[str, Any]) -> list[Path]:
    """Do what `plots.write` does, in a process that then is gone; without it, there are no pictures and one warning.

    Args:
        sweep_dir, trials, settings: see `plots.write`.
    """
    if not plots.drawable(settings, trials):
        return []
    try:
        process = subprocesses.begin("trainrun.sweep.view.drawing", str(sweep_dir.absolute()), text=True)
        try:
            # One by one: the lines of thousands of trials together would be more than what else is kept of them.
            process.stdin.write(json.dumps({k: settings.get(k) for k in SETTINGS}) + "\n")
            for t in trials:
                told = {k: getattr(t, k) for k in TOLD}
                told |= {"metrics": dict(t.metrics), "place": str(t.place)}
                process.stdin.write(json.dumps(told) + "\n")
            said, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        told = json.loads(said)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        console.warn(f"the sweep's plots/ were not drawn ({type(error).__name__}: {error}).")
        return []
    for warning in told["warnings"]:
        console.warn(warning)
    return [Path(p) for p in told["written"]]


def main() -> None:
    """Be the process that draws."""
    settings, *told = map(json.loads, sys.stdin)
    trials = [Trial(**t, config={}, own_figures=Figures(Path(t["place"]))) for t in told]
    warnings: list[str] = []
    written = plots.write(Path(sys.argv[1]), trials, settings, warnings.append)
    sys.stdout.write(json.dumps({"written": list(map(str, written)), "warnings": warnings}))


if __name__ == "__main__":
    main()
