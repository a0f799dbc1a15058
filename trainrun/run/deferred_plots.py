"""Plots of a run: drawn when it ends, or later from the files in its directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.artifacts import plots, report
from trainrun.artifacts.diagnostics import Diagnostics
from trainrun.artifacts.output_diagnostics import of_outputs
from trainrun.config import outputs
from trainrun.data.preprocessor import FILE as PREPROCESSING
from trainrun.data.preprocessor import Preprocessor
from trainrun.run.context import RunContext
from trainrun.tracking import history, journal, status
from trainrun.ui import console
from trainrun.ui.quietly import quietly
from trainrun.util import imports, paths
from trainrun.util.file_lock import FileLock

if TYPE_CHECKING:
    from trainrun.trainer.job import Job

LOCK = ".drawing.lock"
TIMEOUT_S = 300  # for a process in the background, whatever it waits for
# Trials of a sweep that train longer than this draw their plots at once, which takes about 1.5 s.
DRAW_AT_ONCE_S = 30.0


def deferred(config: Mapping[str, Any], context: RunContext) -> bool:
    """Return whether a run's plots are drawn later: those of short trials are, for the best of them.

    Args:
        config: resolved.
        context: of the run; its clock has the seconds of training.
    """
    if context.listener is None or config["artifacts"]["model"] == "weights":
        return False  # later they are drawn from model.keras
    # The clock of a trial that is trained together with others counts the seconds of all of them.
    seconds = 0.0 if context.joint is not None else context.clock.seconds.get("train", 0.0)
    choice = config["sweep"]["pictures"]
    return choice == "best" or (choice == "auto" and seconds < DRAW_AT_ONCE_S)


def write(
    job: Job,
    run_dir: Path,
    epochs: Mapping[str, Sequence[float]],
    config: Mapping[str, Any],
    output: Callable[[Job, str], Any],
) -> dict[str, Diagnostics]:
    """Draw the plots of a trained model, as far as they are configured, and return the diagnostics of its predictions for the report, by output.

    Args:
        job: with the model, on one device.
        run_dir: the run's directory.
        epochs: metric -> one number an epoch.
        config: of the run.
        output: see `evaluation.predict`.
    """
    from trainrun.run import evaluation

    part, _ = evaluation.shown_split(job)
    split = getattr(job.dataset, part) if part else None
    predictions = evaluation.predict(job, output)
    if config["artifacts"]["plots"]:
        measured = outputs.measured(config, job.dataset.description())
        plots.write(run_dir, epochs, job.dataset, split, predictions, part, measured)
    if predictions is None or not config["artifacts"]["report"]:
        return {}
    try:
        return of_outputs(job.dataset, split, predictions, part)
    except Exception as error:  # a report without them must not be the end of the run
        console.warn(f"the report lacks the diagnostics ({type(error).__name__}: {error}).")
        return {}


def draw(run_dir: Path) -> None:
    """Draw the plots of a finished run, and write its report again with them.

    Args:
        run_dir: the run's directory; without `model.keras` only the learning curves are drawn.
    """
    from trainrun.config import plugins, saved

    with imports.collector_paused("tensorflow"), console.hushed():
        from trainrun.run import builders, evaluation, model_files

    config = saved.load(run_dir)
    if not config["artifacts"]["plots"]:
        return
    plugins.announce(config["plugins"])
    plugins.load(config["plugins"])
    epochs = history.replay(journal.read(run_dir / status.JOURNAL).records)["history"]
    diagnostics: dict[str, Diagnostics] = {}
    if (run_dir / model_files.MODEL).is_file():
        fitted = Preprocessor.from_json(paths.content(run_dir / PREPROCESSING))
        with quietly():  # what a run says before training has been said
            # With the run's decision threshold.
            data = replace(builders.dataset(config), target=fitted.target)
            job = builders.job(config, data, builders.strategy(config))
        model = model_files.load_core(run_dir)

        def output(job: Job, part: str) -> Any:
            return evaluation.predictions(job, getattr(job, part), model)

        diagnostics = write(job, run_dir, epochs, config, output)
    else:
        plots.write(run_dir, epochs, metrics=config["metric"])
    if config["artifacts"]["report"]:
        report.write(run_dir, diagnostics=diagnostics)


def complete(run_dir: Path, draw_all: Callable[[], None] | None = None) -> None:
    """Draw and record what a run or sweep lacks after its end, if no other process has done so; one at a time does it.

    Args:
        run_dir: its directory.
        draw_all: draws plots and report; None: `draw` does, of a run.
    """
    lock = FileLock(run_dir / LOCK)
    lock.acquire(TIMEOUT_S)
    try:
        if status.read(run_dir).drawing:
            draw_all() if draw_all is not None else draw(run_dir)
            _record(run_dir)
    finally:
        lock.release()


def _record(run_dir: Path) -> None:
    """Add plots and report to the journal, so that trackers get them."""
    if not status.read(run_dir).drawing:  # the run has been resumed meanwhile
        return
    book = journal.Journal(run_dir / status.JOURNAL)
    try:
        for path in (run_dir / report.FILE, *sorted((run_dir / plots.FOLDER).glob("*"))):
            if path.is_file():
                size = path.stat().st_size
                book.write("artifact", path=path.relative_to(run_dir).as_posix(), bytes=size)
        book.write("event", event=status.DRAWN)
    finally:
        book.close()
