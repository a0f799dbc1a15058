"""Settings that the config leaves to short trials, found before the run is built."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.inspect import batch_size as batch_size_search
from trainrun.inspect import learning_rate as rate_test
from trainrun.inspect.trial_job import aside
from trainrun.run import builders
from trainrun.ui import console

FEW_STEPS = 10  # fewer steps an epoch are worth a word: the run may need more epochs


def settle(
    config: Mapping[str, Any], data: Dataset, strategy: tf.distribute.Strategy, run_dir: Path
) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
    """Find what `tune` asks for: the batch size first, then the learning rate for that batch.

    The config that comes back has the values in their places and asks for no tuning: written to config.yaml, it
    is what a resumed or repeated run takes, and nothing is measured anew.

    Args:
        config: resolved and checked.
        data: as loaded.
        strategy: to build under.
        run_dir: gets `plots/learning_rate_range.png`.

    Returns:
        The config to train with, and what to record: `batch_size` and `learning_rate`, each with its `value` and
        what was `given`, and `seconds`; None if nothing was asked for.
    """
    wanted = config.get("tune") or {}
    if "auto" not in (wanted.get("batch_size"), wanted.get("learning_rate")):
        return config, None
    record: dict[str, Any] = {}
    start = time.perf_counter()
    with aside():
        if wanted["batch_size"] == "auto":
            config, record["batch_size"], line = batch_size(config, data, strategy)
            console.say(line)
        if wanted["learning_rate"] == "auto":
            from trainrun.inspect import range_test_plot

            config, record["learning_rate"], line, test = learning_rate(config, data, strategy)
            if config["artifacts"]["plots"]:
                range_test_plot.write(run_dir, test)
            console.say(line)
    record["seconds"] = round(time.perf_counter() - start, 3)
    return {**config, "tune": {**wanted, "batch_size": None, "learning_rate": None}}, record


def batch_size(
    config: Mapping[str, Any], data: Dataset, strategy: tf.distribute.Strategy
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Choose `trainer.batch_size`.

    Returns:
        The config with it, what to record of the search, and the line to print.

    Raises:
        UserError: not even one example fits.
    """
    settings, given = config["tune"], config["trainer"]["batch_size"]
    limit = batch_size_search.memory_limit(settings["memory"])
    replicas = strategy.num_replicas_in_sync
    parts = replicas * config["trainer"].get("accumulate", 1)
    own = config["hardware"].get("scale_batch") == "per_replica"
    most = max(len(data.train) // (replicas if own else 1), 1)

    def measure(size: int) -> float:
        job = builders.job(_with_batch_size(config, size), data, strategy)
        return batch_size_search.speed(job, builders.trainer(config), limit, parts)

    try:
        choice = batch_size_search.search(given, most, measure, settings["gain"])
    except batch_size_search.TooLarge as error:
        raise UserError(Problem("tune.batch_size", f"not even a batch of 1 fits: it {error}.")) from error
    fastest = dict(choice.tried)[choice.size]
    steps = -(-most // choice.size)
    few = f", which leaves {steps} step{'s' * (steps > 1)} an epoch" if steps < FEW_STEPS else ""
    line = f"batch size {choice.size:,} by tune.batch_size ({fastest:,.0f} examples a second){few}; {choice.reason}"
    record = {
        "value": choice.size,
        "given": given,
        "reason": choice.reason,
        "memory_limit": limit,
        "examples_per_second": {str(size): round(speed, 1) for size, speed in choice.tried},
    }
    return _with_batch_size(config, choice.size), record, line


def _with_batch_size(config: Mapping[str, Any], size: int) -> dict[str, Any]:
    return {**config, "trainer": {**config["trainer"], "batch_size": size}}


def learning_rate(
    config: Mapping[str, Any], data: Dataset, strategy: tf.distribute.Strategy
) -> tuple[dict[str, Any], dict[str, Any], str, rate_test.Range]:
    """Choose `optimizer.learning_rate`; where the loss does not fall at any rate, leave it.

    Returns:
        The config with it, what to record, the line to print, and the test itself.
    """
    settings, given = config["tune"], config["optimizer"]["learning_rate"]
    rates = (settings["steps"], *settings["rates"])
    job = builders.job({**config, "schedule": rate_test.rising(*rates)}, data, strategy)
    test = rate_test.read(*rate_test.range_test(job, builders.trainer(config), *rates))
    tested = f"{test.rates[0]:.1e} to {test.rates[-1]:.1e}" if len(test.rates) else "no rate"
    record = {
        "value": given if test.suggestion is None else test.suggestion,
        "given": given,
        "lowest": float(test.rates[test.lowest]) if len(test.rates) else None,
        "steepest": float(test.rates[test.steepest]) if len(test.rates) else None,
        "steps": len(test.losses) + 1,
    }
    if test.suggestion is None:
        line = f"tune.learning_rate: the loss falls at no rate ({tested}); optimizer.learning_rate stays {given:g}"
        return dict(config), record, line, test
    # Three digits: the test is not more exact than that, and the number is copied by hand.
    chosen = record["value"] = float(f"{test.suggestion:.3g}")
    line = (
        f"learning rate {chosen:g} by tune.learning_rate ({tested} in {record['steps']} steps); "
        f"the loss is lowest at {record['lowest']:.2g}, falls fastest at {record['steepest']:.2g}"
    )
    return with_learning_rate(config, chosen), record, line, test


def with_learning_rate(config: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """Return the config with a learning rate, in the optimizer and wherever the schedule has taken it from there."""
    given = config["optimizer"]["learning_rate"]

    def new(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [new(key, v) for v in value]
        # The config is resolved: what followed optimizer.learning_rate is known by being equal to it.
        return rate if value == given and (key.endswith("learning_rate") or key == "values") else value

    return {
        **config,
        "optimizer": {**config["optimizer"], "learning_rate": rate},
        "schedule": {k: new(k, v) for k, v in config["schedule"].items()},
    }
