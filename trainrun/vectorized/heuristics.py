"""When trials are trained in one graph without being asked to (`hydra/launcher=auto`): by what their configs tell.

What is gained is the way to each step, once for all trials and not once for each; what is not gained is the rest of a run:
building its model, saving it. `local` does that rest on all cores, and the one process in one Python only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.config import check
from trainrun.registry import declaration_reader
from trainrun.sweep.launchers import alike
from trainrun.sweep.launchers.resources import Resources

# Where it pays, as measured with `seeds=20` on 2 cores: docs/vectorized.md has the figures.
TRIALS = 12  # at least so many
STEPS = 2_000  # of each trial, at least: fewer, and building and saving it is most of its time
EPOCH = 50  # steps that an epoch counts as beyond its own: its record and its passes cost as much
CORES = 2  # at most: with more, `local` has more trials at once, and one graph was not measured against them
WORK = 2_000_000  # multiplications of a step in hidden layers, at most: more, and the machine is full without company

# Metrics of a run that company changes.
TIMES = ("seconds", "examples_per_second")


def against(
    config: Mapping[str, Any], trials: int, settings: Mapping[str, Any], machine: Resources
) -> str | None:
    """Return why trials are better run each by itself, or None: training them in one graph pays.

    Args:
        config: of one of them, resolved; the others have other seeds.
        trials: there will be.
        settings: see `sweep_settings.settings`.
        machine: as `hydra/launcher=local` would divide it.
    """
    if (reason := alike.obstacle(config, bool(settings["plugins"]), alike.VECTORIZES)) is not None:
        return reason
    return _wishes(config, settings) or _costs(config, trials, machine)


def _wishes(config: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """Return what the user wants that company would change."""
    goals = settings["objective"] if isinstance(settings["objective"], list) else [settings["objective"]]
    callbacks = [declaration_reader.of("callback", c["name"]) for c in (config["callback"] or {}).values()]
    reasons = {
        "hardware.deterministic=true wants the bits of a run alone": config["hardware"].get("deterministic"),
        "sweep.reuse=never": settings["reuse"] == "never",
        "sweep.pruner spares trials after others have ended": settings["pruner"] is not None,
        "time is counted trial by trial": settings["trial_timeout"] is not None
        or config["trainer"].get("max_time") is not None
        or any(callback.reads_clock for callback in callbacks)
        or any(str(g).startswith(TIMES) for g in goals),
    }
    return next((text for text, holds in reasons.items() if holds), None)


def _costs(config: Mapping[str, Any], trials: int, machine: Resources) -> str | None:
    """Return why it would take as long or longer."""
    name, an_epoch = config["model"]["name"], steps(config)
    if trials < TRIALS:
        return f"{trials} trials are few for one graph"
    if machine.gpus or machine.cores > CORES:
        return f"one graph is known to be faster on {CORES} cores without a GPU"
    if not declaration_reader.of("model", name).dense_layers:
        return f"one graph is not known to be faster for model={name}"
    if _work(config) > WORK:
        return "the model is large for one graph"
    if an_epoch is None:
        return "how many steps there are is known only when the data is loaded"
    epochs = config["trainer"]["epochs"]
    if epochs * (an_epoch + EPOCH) < STEPS:
        return f"{length(config)} are few for one graph"
    return None


def steps(config: Mapping[str, Any]) -> int | None:
    """Return how many steps an epoch has; None: only the data tells when it is loaded."""
    trainer, examples = config["trainer"], check.describe(config).examples
    if examples is None:
        return None
    if trainer.get("limit") is not None:
        examples = min(examples, trainer["limit"])
    full = -(-examples // trainer["batch_size"])
    return min(full, trainer.get("steps_per_epoch") or full)


def length(config: Mapping[str, Any]) -> str:
    """Return how long a trial is, in words."""
    epochs = config["trainer"]["epochs"]
    return f"{epochs} epoch{'s' * (epochs != 1)} of {steps(config)} steps"


def _work(config: Mapping[str, Any]) -> int:
    """Return the multiplications of a step, as if each hidden layer's input were as wide as itself."""
    units = config["model"].get("units") or []
    widths: Sequence[int] = units if isinstance(units, list) else [units]
    return config["trainer"]["batch_size"] * sum(w * w for w in widths)
