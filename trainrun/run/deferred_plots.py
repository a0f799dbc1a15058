"""Plots of a run: drawn when it ends, or later from what its directory holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.artifacts import plots, report
from trainrun.run.context import RunContext
from trainrun.tracking import history, journal, status

# Seconds of training; runs that train longer draw their plots at once, which takes about 1.5 s.
DRAW_AT_ONCE_S = 30.0


def deferred(config: Mapping[str, Any], context: RunContext) -> bool:
    """Return whether a run leaves its plots for later: a short trial, of many.

    Args:
        config: resolved.
        context: the run's; its clock has the seconds of training.
    """
    # The seconds of one that is trained together with others are those of all.
    seconds = 0.0 if context.joint is not None else context.clock.seconds.get("train", 0.0)
    choice = config["sweep"]["pictures"]
    short = choice == "best" or (choice == "auto" and seconds < DRAW_AT_ONCE_S)
    return context.listener is not None and short


def draw(run_dir: Path) -> None:
    """Draw the plots of a finished run, and write its report anew with them.

    Args:
        run_dir: has `model.keras`; without it only the learning curves are drawn.
    """
    import keras

    from trainrun.config import plugins, saved
    from trainrun.run import builders, evaluation
    from trainrun.run.model_files import MODEL

    config = saved.load(run_dir)
    if not config["artifacts"]["plots"]:
        return
    plugins.announce(config["plugins"])
    plugins.load(config["plugins"])
    epochs = history.replay(journal.read(run_dir / status.JOURNAL).records)["history"]
    if (run_dir / MODEL).is_file():
        data = builders.dataset(config)
        job = builders.job(config, data, builders.strategy(config))
        loaded = keras.saving.load_model(run_dir / MODEL, safe_mode=True)
        part, _ = evaluation.shown_split(job)
        split = getattr(data, part) if part else None
        predictions = evaluation.predict(job, loaded)
        plots.write(run_dir, epochs, data, split, predictions, part, config["metric"])
    else:
        plots.write(run_dir, epochs, metrics=config["metric"])
    if config["artifacts"]["report"]:
        report.write(run_dir, json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))
