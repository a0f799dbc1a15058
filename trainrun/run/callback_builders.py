"""The callbacks of a run: the configured ones, and the run's own around them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun.callback._average_epochs import AverageEpochs
from trainrun.callback._validate_average import ValidateAverage
from trainrun.callback.gradient_logger import GradientLogger
from trainrun.checkpoint.best_weights import BestWeights
from trainrun.checkpoint.settings import CheckpointSettings
from trainrun.checkpoint.writer import SHARE, Checkpoint
from trainrun.config import outputs
from trainrun.data.preprocessor import Preprocessor
from trainrun.failure.adjustments import NO_ADJUSTMENTS, Adjustments
from trainrun.failure.nan_guard import NanGuard
from trainrun.hardware import replicas
from trainrun.inspect.profiling import Profile
from trainrun.registry import direction, log_columns, signatures
from trainrun.registry.construct import construct, resolve
from trainrun.run.context import RunContext
from trainrun.run.progress_channel import Report
from trainrun.trainer import change_over
from trainrun.trainer.job import Job
from trainrun.ui.progress import Progress
from trainrun.util import lengths

# Keras' callbacks that compare a metric with its best value.
MONITORING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
)


def with_run_callbacks(
    callbacks: list[keras.callbacks.Callback],
    journal: keras.callbacks.Callback,
    run_dir: Path,
    job: Job,
    settings: CheckpointSettings,
    context: RunContext,
    best: BestWeights,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> list[keras.callbacks.Callback]:
    """Return the run's own callbacks around the user's: the first fill the logs, the last show them.

    Args:
        callbacks: the user's.
        journal: the callback that writes metrics to the journal.
        run_dir: the run's directory.
        job: model, data and plan.
        settings: of the checkpoints.
        context: has the listener, the request to stop, and the reader of the model's state.
        best: keeps the best epoch.
        adjustments: deviations that failures have led to; they are saved with each checkpoint.
    """
    plan, training = job.plan, context.training()
    rate = construct("callback", "learning_rate_logger")
    progress = Progress(plan.shown_epochs, plan.steps_per_epoch, plan.batch_size, plan.examples)
    # After the journal: the epochs before a checkpoint are recorded when it is written.
    checkpoint = Checkpoint(
        run_dir,
        best,
        every=settings.every,
        keep=settings.keep,
        plan={**plan.lengths(), "epochs": plan.epochs, "batch_size": plan.batch_size, **adjustments.record()},
        preprocessing=Preprocessor.of(job.dataset).to_json(),
        writes=replicas.is_chief(job.model.distribute_strategy),
        within=not replicas.is_several_processes(job.model.distribute_strategy),
        stop=context.stop,
        reader=training.reader(job),
        # Runs that are trained together divide the time: each one writes while the others wait.
        share=lambda: SHARE / training.runs(),
    )
    checkpoint.callbacks = [rate, *callbacks, journal, checkpoint]
    # After the journal, which records the NaN; before the checkpoint, which must not save it.
    guard = NanGuard(raises=not any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in callbacks))
    everything = [
        rate,
        *callbacks,
        keras.callbacks.History(),
        journal,
        guard,
        *([] if context.listener is None else [Report(context.listener, context.stop, run_dir)]),
        checkpoint,
        progress,
    ]
    checkpoint.plan[change_over.XLA_FROM] = change_over.first_epoch(job, everything)
    return everything


def _pass_over_undefined(callback: keras.callbacks.Callback) -> None:
    """Have a callback of Keras pass over epochs in which the metric that it monitors is NaN.

    A metric is NaN where it is undefined (an area under a curve, of one class). Keras (3.15) takes a first NaN for the best
    value, which no later one beats. A NaN loss is left to it: that training has failed.
    """
    hear = callback.on_epoch_end

    def on_epoch_end(epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(callback.monitor)
        if callback.monitor.endswith("loss") or value is None or not math.isnan(float(value)):
            hear(epoch, logs)

    callback.on_epoch_end = on_epoch_end


def _fixed_batch(job: Job, examples: int) -> tuple[Any, Any, Any]:
    """Return inputs, labels and weights of so many training examples, drawn by the run's seed."""
    count = len(job.train)
    index = np.random.default_rng(job.plan.seed).choice(count, min(examples, count), replace=False)
    batch = job.train.take(np.sort(index))
    return batch.x, batch.y, batch.weight


def user_callbacks(config: Mapping[str, Any], run_dir: Path, job: Job) -> list[keras.callbacks.Callback]:
    """Return the configured callbacks; their relative paths are inside the run's directory."""
    built, plan = [], job.plan
    columns = outputs.columns(config, job.dataset.description())
    for name, spec in config["callback"].items():
        component = resolve("callback", spec)[0]
        names = signatures.lengths(component)
        spec = lengths.in_steps(names, spec, plan.total_steps, plan.steps_per_epoch)
        if isinstance(spec.get("monitor"), str):
            spec["monitor"] = log_columns.canonical(spec["monitor"], columns)
            if spec.get("mode") == "auto" and direction.OF_SET.match(spec["monitor"]):
                # Keras knows the directions of its metrics by their own names only.
                spec["mode"] = direction.of(spec["monitor"], config["metric"])
        files = [k for k in signatures.run_paths(component) if isinstance(spec.get(k), str) and spec[k]]
        if files and not replicas.is_chief(job.model.distribute_strategy):
            continue  # of several workers, only the chief writes files
        for argument in files:
            path = run_dir / log_columns.in_pattern(spec[argument], columns)
            path.parent.mkdir(parents=True, exist_ok=True)
            spec[argument] = str(path)
        callback = construct("callback", spec, key=f"callback.{name}", complete=True, **plan.lengths())
        if isinstance(callback, MONITORING):
            _pass_over_undefined(callback)
        if isinstance(callback, GradientLogger):
            callback.batch = _fixed_batch(job, callback.examples)
        built.append(callback)
    if config["artifacts"].get("weights") == "ema":
        built.append(ValidateAverage())
    elif config["artifacts"].get("weights") == "swa":
        after = lengths.to_steps(config["artifacts"]["swa_start"], plan.total_steps, plan.steps_per_epoch)
        # The last epoch always counts.
        built.append(AverageEpochs(min(-(-after // plan.steps_per_epoch), plan.epochs - 1)))
    if config["trainer"].get("max_time") is not None:
        built.append(construct("callback", {"name": "time_limit", "limit": config["trainer"]["max_time"]}))
    if config.get("profile"):
        built.append(Profile(run_dir, *config["profile_steps"]))
    return built
