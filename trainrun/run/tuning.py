"""Batch size and learning rate by short trial trainings (`tune`), before the run is built."""

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

FEW_STEPS = 10  # with fewer steps per epoch the line says so: the run may need more epochs


def tune(
    config: Mapping[str, Any], data: Dataset, strategy: tf.distribute.Strategy, run_dir: Path
) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
    """Choose the batch size, and then the learning rate for that batch size, as far as `tune` asks for it.

    The returned config has the values in place and no tuning: it is written to config.yaml, so that a resumed or repeated run
    takes the same values without measuring again.

    Args:
        config: resolved and checked.
        data: as loaded.
        strategy: the `tf.distribute.Strategy` to build under.
        run_dir: gets `plots/learning_rate_range.png`.

    Returns:
        The config to train with, and the record: `batch_size` and `learning_rate`, each with `value` and the configured
        value (`given`), and `seconds`; None if nothing is tuned.
    """
    settings = config.get("tune") or {}
    if "auto" not in (settings.get("batch_size"), settings.get("learning_rate")):
        return config, None
    record: dict[str, Any] = {}
    start = time.perf_counter()
    with aside():
        if settings["batch_size"] == "auto":
            config, record["batch_size"], line = batch_size(config, data, strategy)
            console.say(line)
        if settings["learning_rate"] == "auto":
            from trainrun.inspect import range_test_plot

            config, record["learning_rate"], line, test = learning_rate(config, data, strategy)
            if config["artifacts"]["plots"]:
                range_test_plot.write(run_dir, test)
            console.say(line)
    record["seconds"] = round(time.perf_counter() - start, 3)
    return {**config, "tune": {**settings, "batch_size": None, "learning_rate": None}}, record


def batch_size(
    config: Mapping[str, Any], data: Dataset, strategy: tf.distribute.Strategy
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Choose `trainer.batch_size`.

    Returns:
        The config with it, the record of the search, and the line to print.

    Raises:
        UserError: not even one example fits.
    """
    settings, configured = config["tune"], config["trainer"]["batch_size"]
    limit = batch_size_search.memory_limit(settings["memory"])
    replicas = strategy.num_replicas_in_sync
    parts = replicas * config["trainer"].get("accumulate", 1)
    per_replica = config["hardware"].get("scale_batch") == "per_replica"
    most = max(len(data.train) // (replicas if per_replica else 1), 1)

    def measure(size: int) -> float:
        job = builders.job(_with_batch_size(config, size), data, strategy)
        return batch_size_search.speed(job, builders.trainer(config, strategy), limit, parts)

    try:
        choice = batch_size_search.search(configured, most, measure, settings["gain"])
    except batch_size_search.TooLarge as error:
        raise UserError(Problem("tune.batch_size", f"not even a batch of 1 fits: it {error}.")) from error
    fastest = dict(choice.tried)[choice.size]
    steps = -(-most // choice.size)
    remark = f", which leaves {steps} step{'s' * (steps > 1)} an epoch" if steps < FEW_STEPS else ""
    line = f"batch size {choice.size:,} by tune.batch_size ({fastest:,.0f} examples a second){remark}; {choice.reason}"
    record = {
        "value": choice.size,
        "given": configured,
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
    """Choose `optimizer.learning_rate`; keep the configured one if the loss falls at no rate.

    Returns:
        The config with it, the record, the line to print, and the test itself.
    """
    settings, configured = config["tune"], config["optimizer"]["learning_rate"]
    rates = (settings["steps"], *settings["rates"])
    job = builders.job({**config, "schedule": rate_test.rising(*rates)}, data, strategy)
    test = rate_test.read(*rate_test.range_test(job, builders.trainer(config, strategy), *rates))
    tested = f"{test.rates[0]:.1e} to {test.rates[-1]:.1e}" if len(test.rates) else "no rate"
    record = {
        "value": configured if test.suggestion is None else test.suggestion,
        "given": configured,
        "lowest": float(test.rates[test.lowest]) if len(test.rates) else None,
        "steepest": float(test.rates[test.steepest]) if len(test.rates) else None,
        "steps": len(test.losses) + 1,
    }
    if test.suggestion is None:
        line = f"tune.learning_rate: the loss falls at no rate ({tested}); optimizer.learning_rate stays {configured:g}"
        return dict(config), record, line, test
    # Three digits: the test is not more precise than that, and users copy the number by hand.
    chosen = record["value"] = float(f"{test.suggestion:.3g}")
    line = (
        f"learning rate {chosen:g} by tune.learning_rate ({tested} in {record['steps']} steps); "
        f"the loss is lowest at {record['lowest']:.2g}, falls fastest at {record['steepest']:.2g}"
    )
    return with_learning_rate(config, chosen), record, line, test


def with_learning_rate(config: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """Return the config with a learning rate, in the optimizer and in the schedule's values that were copied from it."""
    configured = config["optimizer"]["learning_rate"]

    def new(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [new(key, v) for v in value]
        # The config is resolved, so an interpolation of optimizer.learning_rate shows as an equal value.
        return rate if value == configured and (key.endswith("learning_rate") or key == "values") else value

    return {
        **config,
        "optimizer": {**config["optimizer"], "learning_rate": rate},
        "schedule": {k: new(k, v) for k, v in config["schedule"].items()},
    }
