"""Epochs, validation and callbacks, in the order of Keras' `fit`, around whatever trains one epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.trainer.callbacks import Callbacks
from trainrun.trainer.job import Job

Logs = Mapping[str, Any]


def loop(
    job: Job,
    callbacks: Sequence[keras.callbacks.Callback],
    train: Callable[[int, int, keras.callbacks.CallbackList], Logs],
    validate: Callable[[keras.callbacks.CallbackList], Logs] | None,
    validation_freq: int,
    reset: Callable[[], None] | None = None,
) -> dict[str, list[float]]:
    """Run the epochs of `job.plan`.

    Args:
        job: what is trained.
        callbacks: in their order; all hear what they would hear from `fit`.
        train: trains one epoch: takes its number, its first step and the callbacks, returns the logs.
        validate: measures the validation data, or None.
        validation_freq: validate every so many epochs.
        reset: sets the metrics to their beginning before each pass; None: by a compiled function.

    Returns:
        The history: name -> one value an epoch.
    """
    model, plan = job.model, job.plan
    every = Callbacks(job, callbacks)
    model.stop_training = False
    # Compiled: each metric sets each of its variables to zero, a millisecond for three metrics otherwise.
    if reset is None:
        reset = model.reset_metrics if model.run_eagerly else _resetting(job)
    every.on_train_begin()
    logs: dict[str, Any] = {}
    # Set when training begins: by BackupAndRestore, or where the run goes on.
    first = keras_model_private.initial_epoch(model)
    for epoch in range(first, plan.epochs):
        reset()
        every.on_epoch_begin(epoch)
        step = every.first_step if epoch == every.first_epoch else 0
        # Of an epoch whose steps are all done there are no logs, but its metrics.
        logs = dict(train(epoch, step, every) or model.get_metrics_result())
        if validate is not None and (epoch + 1) % validation_freq == 0:
            every.on_test_begin()
            reset()
            found = dict(validate(every))
            every.on_test_end(found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        logs = {name: _plain(value) for name, value in logs.items()}
        every.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    # With use_ema, this is where the averaged weights become the model's.
    model.optimizer.finalize_variable_values(model.trainable_weights)
    every.on_train_end(logs)
    return numbers(model.history)


def _resetting(job: Job) -> Callable[[], None]:
    """Return the compiled `reset_metrics`; it is kept beside the model, for a sweep's next trial."""
    variables = job.model.metrics_variables
    known = job.state.reset[0] if job.state.reset is not None else ()
    if len(known) != len(variables) or any(a is not b for a, b in zip(known, variables, strict=True)):
        job.state.reset = variables, tf.function(job.model.reset_metrics, autograph=False)
    return job.state.reset[1]


def _plain(value: Any) -> Any:
    """Return a metric as a plain number, as `fit` does: the history keeps it, and every checkpoint copies the history."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value  # a plug-in's metric may have any result


def build(job: Job) -> None:
    """Create the variables of model, optimizer and metrics, before any code is compiled that uses them.

    Keras' `fit` leaves this to its first step where it can. It then compiles what an optimizer does when it is
    built, and repeats it at each step: Keras' ScheduleFreeAdamW (3.15) begins anew each time.
    """
    model = job.model
    if job.state.built:
        return  # of a sweep, in whose trial before this one it was built
    job.state.built = True
    few = job.train.take(np.arange(1))
    with model.distribute_strategy.scope():
        _count(model, few.y, few.weight)
        keras_model_private.build_for(model, (few.x, few.y, few.weight))


def _count(model: keras.Model, y: Any, weight: Any) -> None:
    """Have the loss and the metrics create their variables by counting an example of which nothing was predicted.

    Keras traces three graphs for it, a tenth of a second for a small model. What cannot be done so is left to Keras.
    """
    own = type(model).compute_metrics is not keras.Model.compute_metrics
    outputs = getattr(model, "outputs", None) or []
    if own or y is None or len(outputs) != 1 or model.distribute_strategy.num_replicas_in_sync > 1:
        return
    counts, loss = keras_model_private.compiled_parts(model)
    try:
        y, weight = (None if v is None else tf.convert_to_tensor(v) for v in (y, weight))
        nothing = tf.zeros([1, *outputs[0].shape[1:]], outputs[0].dtype)
        if loss is not None:
            loss.build(y, nothing)
        if counts is not None:
            counts.update_state(y, nothing, weight)
            counts.reset_state()
    except Exception:  # Keras says what is wrong, if anything is
        for part in (counts, loss):
            if part is not None:
                part.built = False


def numbers(history: keras.callbacks.History) -> dict[str, list[float]]:
    """Return a history as plain numbers."""
    return {name: [float(v) for v in values] for name, values in history.history.items()}
