"""Plots of a run: drawn when it ends, or later from the files in its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.artifacts import plots, report
from trainrun.run.context import RunContext
from trainrun.tracking import history, journal, status

if TYPE_CHECKING:
    import keras

    from trainrun.trainer.job import Job

# Trials of a sweep that train longer than this draw their plots at once, which takes about 1.5 s.
DRAW_AT_ONCE_S = 30.0


def deferred(config: Mapping[str, Any], context: RunContext) -> bool:
    """Return whether a run's plots are drawn later: those of short trials are, for the best of them.

    Args:
        config: resolved.
        context: of the run; its clock has the seconds of training.
    """
    # The clock of a trial that is trained together with others counts the seconds of all of them.
    seconds = 0.0 if context.joint is not None else context.clock.seconds.get("train", 0.0)
    choice = config["sweep"]["pictures"]
    short = choice == "best" or (choice == "auto" and seconds < DRAW_AT_ONCE_S)
    if config["artifacts"]["model"] == "weights":
        return False  # they are drawn from model.keras
    return context.listener is not None and short


def write(
    job: Job,
    run_dir: Path,
    epochs: Mapping[str, Sequence[float]],
    metrics: Mapping[str, Any],
    model: keras.Model | None = None,
) -> None:
    """Draw the plots of a trained model.

    Args:
        job: with the model, on one device.
        run_dir: the run's directory.
        epochs: metric -> one number an epoch.
        metrics: the config's `metric` node.
        model: see `evaluation.predict`.
    """
    from trainrun.run import evaluation

    part, _ = evaluation.shown_split(job)
    split = getattr(job.dataset, part) if part else None
    plots.write(run_dir, epochs, job.dataset, split, evaluation.predict(job, model), part, metrics)


def draw(run_dir: Path) -> None:
    """Draw the plots of a finished run, and write its report again with them.

    Args:
        run_dir: the run's directory; without `model.keras` only the learning curves are drawn.
    """
    from trainrun.config import plugins, saved
    from trainrun.run import builders, model_files

    config = saved.load(run_dir)
    if not config["artifacts"]["plots"]:
        return
    plugins.announce(config["plugins"])
    plugins.load(config["plugins"])
    epochs = history.replay(journal.read(run_dir / status.JOURNAL).records)["history"]
    if (run_dir / model_files.MODEL).is_file():
        job = builders.job(config, builders.dataset(config), builders.strategy(config))
        write(job, run_dir, epochs, config["metric"], model_files.load_core(run_dir))
    else:
        plots.write(run_dir, epochs, metrics=config["metric"])
    if config["artifacts"]["report"]:
        report.write(run_dir, json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))
