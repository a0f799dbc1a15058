"""The plots of a sweep's best trial, drawn when the sweep is over.

They need the trial's model, so they are drawn in a fork that has TensorFlow: the sweep's own process would take seconds to
import it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainrun.artifacts import plots
from trainrun.sweep.trial import Trial
from trainrun.tracking import summary
from trainrun.tracking.status import LOG
from trainrun.ui import console
from trainrun.util import subprocesses

TIMEOUT_S = 60.0


@contextmanager
def of_the_best(winners: Sequence[Trial]) -> Iterator[None]:
    """Draw the plots of the best trial while the `with` runs, if the trial has deferred them.

    An error is written to the trial's log, and has no other effect.

    Args:
        winners: the best trial first; may be empty.
    """
    run_dir = winners[0].run_dir if winners else None
    if (
        run_dir is None
        or (run_dir / plots.FOLDER).exists()
        or not (run_dir / summary.FILE).exists()
        or not _plots_configured(run_dir)
    ):
        yield
        return
    process = subprocesses.fork(_draw, str(run_dir))
    try:
        yield
        process.join(TIMEOUT_S)
    finally:
        if process.exitcode is None:
            process.kill()


def _plots_configured(run_dir: Path) -> bool:
    """Return whether plots of a run are wanted; otherwise no process is started."""
    from trainrun.config import saved

    try:
        return bool(saved.load_plain(run_dir)["artifacts"]["plots"])
    except Exception:
        return True  # the error goes into the trial's log


def _draw(run_dir: str) -> None:
    from trainrun.run import deferred_plots
    from trainrun.sweep.launchers.trial_process import print_into

    console.quiet()
    with contextlib.suppress(OSError):
        print_into(Path(run_dir) / LOG)
    deferred_plots.draw(Path(run_dir))
