"""The pictures of a sweep's best trial, drawn when the sweep is over, in a process that is forked for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainrun.artifacts import plots
from trainrun.sweep.launchers import fork_server
from trainrun.sweep.trial import Trial
from trainrun.tracking import summary
from trainrun.tracking.status import LOG

PATIENCE = 60.0  # seconds


@contextmanager
def of_the_best(winners: Sequence[Trial]) -> Iterator[None]:
    """Draw the best trial's pictures beside what stands inside the `with`, if it has left them for later.

    What goes wrong is in the trial's log, and costs nothing else.

    Args:
        winners: the best first; there may be none.
    """
    run_dir = winners[0].run_dir if winners else None
    if (
        run_dir is None
        or (run_dir / plots.FOLDER).exists()
        or not (run_dir / summary.FILE).exists()
        or not _wanted(run_dir)
    ):
        yield
        return
    process = fork_server.fork_server().Process(
        target=_draw, args=(str(run_dir), dict(os.environ), os.getcwd())
    )
    process.start()
    try:
        yield
        process.join(PATIENCE)
    finally:
        if process.exitcode is None:
            process.kill()


def _wanted(run_dir: Path) -> bool:
    """Tell whether a run is to have pictures: where it is not, nothing begins, which may be the import of TensorFlow."""
    from trainrun.config import saved

    try:
        return bool(saved.load_plain(run_dir)["artifacts"]["plots"])
    except Exception:
        return True  # what is wrong with it goes into its log


def _draw(run_dir: str, environment: dict[str, str], cwd: str) -> None:
    from trainrun.run import deferred_plots
    from trainrun.sweep.launchers.trial_process import print_into
    from trainrun.ui import console

    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    console.quiet()
    with contextlib.suppress(OSError):
        print_into(Path(run_dir) / LOG)
    deferred_plots.draw(Path(run_dir))
