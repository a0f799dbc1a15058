"""Rules of `hydra/launcher=auto` for training trials in one graph, by their configs.

One graph saves the overhead of each step, which is paid once for all trials. It does not save the rest of a run, such as
building and saving its model, which `local` does on all cores and one process does on one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.config import check
from trainrun.registry import declaration_reader
from trainrun.sweep.launchers import alike
from trainrun.sweep.launchers.resources import Resources

# Limits as measured with `seeds=20` on 2 cores: docs/vectorized.md has the figures.
TRIALS = 12  # minimum number of trials
STEPS = 2_000  # minimum per trial; with fewer, building and saving a trial takes most of its time
EPOCH = 50  # an epoch counts as so many further steps, for its record and passes
CORES = 2  # maximum; with more, `local` runs more trials at once, which was not measured
WORK = 2_000_000  # maximum multiplications of a step in hidden layers; with more, one trial keeps the machine busy

# Metrics of a run that joint training changes.
TIMES = ("seconds", "examples_per_second")


def against(
    config: Mapping[str, Any], trials: int, settings: Mapping[str, Any], machine: Resources
) -> str | None:
    """Return the reason why trials should run separately, or None if training them in one graph pays.

    Args:
        config: of one of the trials, resolved; the others differ in their seeds.
        trials: number of trials.
        settings: see `sweep_settings.settings`.
        machine: its division by `hydra/launcher=local`.
    """
    if (reason := alike.obstacle(config, alike.VECTORIZES)) is not None:
        return reason
    return _settings_against(config, settings) or _costs_against(config, trials, machine)


def _settings_against(config: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """Return a setting of the user that joint training would not respect, or None."""
    goals = settings["objective"] if isinstance(settings["objective"], list) else [settings["objective"]]
    callbacks = [declaration_reader.of("callback", c["name"]) for c in (config["callback"] or {}).values()]
    reasons = {
        "hardware.deterministic=true requires the bits of a separate run": config["hardware"].get(
            "deterministic"
        ),
        "sweep.reuse=never": settings["reuse"] == "never",
        "sweep.pruner compares a trial with those that have ended before": settings["pruner"] is not None,
        "the time of each trial is measured": settings["trial_timeout"] is not None
        or config["trainer"].get("max_time") is not None
        or any(callback.reads_clock for callback in callbacks)
        or any(str(g).startswith(TIMES) for g in goals),
    }
    return next((text for text, holds in reasons.items() if holds), None)


def _costs_against(config: Mapping[str, Any], trials: int, machine: Resources) -> str | None:
    """Return the reason why joint training would not be faster, or None."""
    name, an_epoch = config["model"]["name"], steps(config)
    if trials < TRIALS:
        return f"{trials} trials are too few for one graph"
    if machine.gpus or machine.cores > CORES:
        return f"one graph is known to be faster on {CORES} cores without a GPU"
    if not declaration_reader.of("model", name).dense_layers:
        return f"one graph is not known to be faster for model={name}"
    if _work(config) > WORK:
        return "the model is too large for one graph"
    if an_epoch is None:
        return "the number of steps is not known before the data is loaded"
    epochs = config["trainer"]["epochs"]
    if epochs * (an_epoch + EPOCH) < STEPS:
        return f"{length(config)} are too few for one graph"
    return None


def steps(config: Mapping[str, Any]) -> int | None:
    """Return the number of steps per epoch; None: not known before the data is loaded."""
    trainer, examples = config["trainer"], check.describe(config).examples
    if examples is None:
        return None
    if trainer.get("limit") is not None:
        examples = min(examples, trainer["limit"])
    full = -(-examples // trainer["batch_size"])
    return min(full, trainer.get("steps_per_epoch") or full)


def length(config: Mapping[str, Any]) -> str:
    """Return the length of a trial, in words."""
    epochs = config["trainer"]["epochs"]
    return f"{epochs} epoch{'s' * (epochs != 1)} of {steps(config)} steps"


def _work(config: Mapping[str, Any]) -> int:
    """Return the multiplications of a step, assuming that the input of a hidden layer is as wide as the layer."""
    units = config["model"].get("units") or []
    widths: Sequence[int] = units if isinstance(units, list) else [units]
    return config["trainer"]["batch_size"] * sum(w * w for w in widths)
