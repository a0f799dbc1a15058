"""Plots and report of a run: drawn before its end, or by a process in the background, so that the prompt need not wait for them.

That process is a fork, so that neither model nor data are loaded again. A fork of a process that has threads may use nothing that
those threads used: it gets predictions that are computed, and arrays in memory, and calls no TensorFlow.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.artifacts import report
from trainrun.artifacts.diagnostics import Diagnostics
from trainrun.run import deferred_plots, evaluation, settings
from trainrun.run.context import RunContext
from trainrun.run.evaluation import Evaluation
from trainrun.tracking import status
from trainrun.ui import console, streams

if TYPE_CHECKING:
    from trainrun.trainer.job import Job

NICE = 10  # the next command goes first


class Drawing:
    """The plots and the report of a run.

    Args:
        run_dir: the run's directory.
        config: resolved.
        context: of the run.
    """

    def __init__(self, run_dir: Path, config: Mapping[str, Any], context: RunContext):
        self.run_dir, self.config, self.context = run_dir, config, context
        self.chosen = settings.artifacts(config)
        self._later: Callable[[], None] | None = None  # draws the plots, in the background
        self._diagnostics: dict[str, Diagnostics] = {}

    def plots(self, job: Job, measured: Evaluation) -> None:
        """Draw the plots and diagnose the predictions, or prepare both for the background; trials may leave them to the best of them.

        Args:
            job: with the trained model, on one device.
            measured: its metrics and predictions.
        """
        if not (self.chosen.plots or self.chosen.report) or deferred_plots.deferred(
            self.config, self.context
        ):
            return

        def draw() -> None:
            self._diagnostics = deferred_plots.write(
                job, self.run_dir, measured.history, self.config, measured.output
            )

        if self._may_wait(job):
            evaluation.predict(job, measured.output)  # now: the process in the background has no TensorFlow
            self._later = draw
        else:
            draw()

    def _may_wait(self, job: Job) -> bool:
        wait = not streams.is_terminal() if self.chosen.wait is None else self.chosen.wait
        if wait or not self.context.draws_later or sys.platform != "linux":
            return False
        _, split = evaluation.shown_split(job)
        # Views read files, some of them by TensorFlow.
        return split is None or all(isinstance(array, np.ndarray) for array in split.arrays())

    def page(self, content: Mapping[str, Any]) -> None:
        """Write the report of a run that has finished, unless that is left to the background."""
        if self.chosen.report and self._later is None:
            report.write(self.run_dir, content, self._diagnostics)

    def pending(self, outcome: str) -> dict[str, Any]:
        """Return what the run's end record says of it."""
        return {status.DRAWING: True} if self._later is not None and outcome == "FINISHED" else {}

    def begin(self, content: Mapping[str, Any]) -> None:
        """Draw in the background what was left to it; the run's record is closed.

        Args:
            content: of `summary.json`.
        """
        if (draw := self._later) is None:
            return

        def plots_and_page() -> None:
            draw()
            self._later = None
            self.page(content)

        in_background(self.run_dir, lambda: deferred_plots.complete(self.run_dir, plots_and_page))


def in_background(run_dir: Path, draw: Callable[[], None]) -> None:
    """Call a function in a process in the background; where there can be none, here.

    An error is written to the run's log, and has no other effect. The log has to be attached to the console: the process keeps it open,
    so that it has it still where the run is moved meanwhile.

    Args:
        run_dir: of the run; its record is closed.
        draw: draws plots and report, and records them.
    """
    streams.flush_all()  # what is buffered would be written by both processes
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # see the module
            child = os.fork()
    except OSError as error:  # no memory, or no process left
        console.log(f"plots and report are drawn at once ({error})")
        draw()
        return
    if child:
        return
    try:
        _let_go()
        console.quiet()
        draw()
    except BaseException as error:
        with suppress(BaseException):
            console.log("plots and report were not drawn: " + "".join(traceback.format_exception(error)))
            console.log(f"to draw them: trainrun report {run_dir}")
    finally:
        os._exit(0)  # without the cleanup of libraries whose threads are not here


def _let_go() -> None:
    """Leave the terminal and all that the run had open, but for files that it reads."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(deferred_plots.TIMEOUT_S)
    os.setsid()
    os.nice(NICE)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir("/proc/self/fd")):
        # Replaced, not closed: objects that live on in this process close them once more.
        with suppress(OSError):
            if number <= 2 or not stat.S_ISREG(os.fstat(number).st_mode):
                os.dup2(nowhere, number)
