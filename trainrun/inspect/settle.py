"""Settings that the config leaves to a trial, settled before the run is built."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainrun.data.dataset import Dataset
from trainrun.inspect.trial_job import aside
from trainrun.ui import console


def settle(
    config: Mapping[str, Any], data: Dataset, strategy: tf.distribute.Strategy, run_dir: Path
) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
    """Find what `tune` asks for: the batch size first, then the learning rate for that batch.

    The config that comes back has the values in their places and asks for no tuning: written to config.yaml, it
    is what a resumed or repeated run takes, and nobody measures anew.

    Args:
        config: resolved and checked.
        data: as loaded.
        strategy: to build under.
        run_dir: gets `plots/learning_rate_range.png`.

    Returns:
        The config to train with, and what to record: `batch_size` and `learning_rate`, each with its `value` and
        what was `given`, and `seconds`; None if nothing was asked for.
    """
    asked = config.get("tune") or {}
    if "auto" not in (asked.get("batch_size"), asked.get("learning_rate")):
        return config, None
    found: dict[str, Any] = {}
    start = time.perf_counter()
    with aside():
        if asked["batch_size"] == "auto":
            from trainrun.inspect import batch_size

            config, found["batch_size"], said = batch_size.tune(config, data, strategy)
            console.say(said)
        if asked["learning_rate"] == "auto":
            from trainrun.inspect import learning_rate, range_test_plot

            config, found["learning_rate"], said, test = learning_rate.tune(config, data, strategy)
            if config["artifacts"]["plots"]:
                range_test_plot.write(run_dir, test)
            console.say(said)
    found["seconds"] = round(time.perf_counter() - start, 3)
    return {**config, "tune": {**asked, "batch_size": None, "learning_rate": None}}, found
