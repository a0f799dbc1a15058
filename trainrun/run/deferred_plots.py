"""Pictures that are drawn after a run has ended, from what its directory holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.artifacts import plots, report
from trainrun.run import joint_training, progress_channel
from trainrun.tracking import history, journal, status

# Seconds of training beside which the second and a half that the pictures take is no matter.
LONG = 30.0


def put_off(config: Mapping[str, Any], trained: float) -> bool:
    """Tell whether a run leaves its pictures for later: a short trial, of many.

    Args:
        config: resolved.
        trained: seconds of training.
    """
    if joint_training.place() is not None:
        trained = 0.0  # its seconds are those of all that were trained with it
    wanted = config["sweep"]["pictures"]
    return progress_channel.somebody_listens() and (wanted == "best" or (wanted == "auto" and trained < LONG))


def draw(run_dir: Path) -> None:
    """Draw the pictures of a finished run, and write its report anew with them.

    Args:
        run_dir: has `model.keras`; without it only the learning curves are drawn.
    """
    import keras

    from trainrun.config import plugins, saved
    from trainrun.run import builders
    from trainrun.run.outcome import readable, shown
    from trainrun.trainer.pipeline import in_order

    config = saved.load(run_dir)
    if not config["artifacts"]["plots"]:
        return
    plugins.announce(config["plugins"])
    plugins.load(config["plugins"])
    told = history.told(journal.read(run_dir / status.JOURNAL).records)["history"]
    model = run_dir / "model.keras"
    if model.is_file():
        data = builders.dataset(config)
        job = builders.job(config, data, builders.strategy(config))
        part, split = shown(job)
        loaded = keras.saving.load_model(model, safe_mode=True)
        said = loaded.predict(in_order(split, job.plan.batch_size), verbose=0) if split is not None else None
        predictions = None if said is None else readable(said, job, own=True)
        plots.write(run_dir, told, data, getattr(data, part) if part else None, predictions, part)
    else:
        plots.write(run_dir, told)
    if config["artifacts"]["report"]:
        report.write(run_dir, json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))
