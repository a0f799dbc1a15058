"""Epochs, validation and callbacks in the order of Keras' `fit`, around a function that trains one epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private, tensorflow_private
from trainrun.data.dataset import Split
from trainrun.model import functional
from trainrun.model.variables import foreign_parts, hold, unbuilt_optimizers
from trainrun.step import _result
from trainrun.step._accumulate import Accumulate
from trainrun.step.default import default
from trainrun.trainer import first_call
from trainrun.trainer.callbacks import Callbacks
from trainrun.trainer.compiled_epoch import is_replicated
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import as_tensors, batch_of, takes_own

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
        job: model, data and plan.
        callbacks: in their order; their hooks are called as by `fit`.
        train: trains one epoch; takes its number, its first step and the callbacks, returns the logs.
        validate: evaluates the validation data; None: there is none.
        validation_freq: epochs from one validation to the next.
        reset: resets the metrics before each pass; None: a compiled function.

    Returns:
        The history: metric name -> one value per epoch.
    """
    model, plan = job.model, job.plan
    callback_list = Callbacks(job, callbacks)
    model.stop_training = False
    # Compiled, because resetting three metrics takes a millisecond otherwise.
    if reset is None:
        reset = model.reset_metrics if model.run_eagerly else _resetting(job)
    callback_list.on_train_begin()
    logs: dict[str, Any] = {}
    # Set by `on_train_begin`: by BackupAndRestore, or by `Callbacks` of a resumed run.
    first = keras_model_private.initial_epoch(model)
    for epoch in range(first, plan.epochs):
        reset()
        callback_list.on_epoch_begin(epoch)
        step = callback_list.first_step if epoch == callback_list.first_epoch else 0
        # Without logs if all steps of the epoch were done before the run was resumed.
        logs = dict(train(epoch, step, callback_list) or model.get_metrics_result())
        if validate is not None and (epoch + 1) % validation_freq == 0:
            callback_list.on_test_begin()
            reset()
            measured = dict(validate(callback_list))
            callback_list.on_test_end(measured)
            logs |= {f"val_{name}": value for name, value in measured.items()}
        logs = {name: _plain(value) for name, value in logs.items()}
        callback_list.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    # With use_ema, this copies the averaged weights to the model.
    model.optimizer.finalize_variable_values(model.trainable_weights)
    callback_list.on_train_end(logs)
    return numbers(model.history)


def run_calls(
    calls: Iterable[tuple[int, int, Callable[[], Logs]]],
    begin: Callable[[int], None],
    end: Callable[[int, Logs], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Logs:
    """Make the calls of a pass, with the callbacks around each, until a callback stops the training.

    Args:
        calls: as `Pass.calls` yields them.
        begin, end: the hooks of the first and of the last step of a call.
        stopped: whether to stop; asked after each call.

    Returns:
        The logs of the last call; none: there was none.
    """
    logs: Logs = {}
    for first, last, run in calls:
        begin(first)
        logs = run()
        end(last, logs)
        if stopped():
            break
    return logs


def _resetting(job: Job) -> Callable[[], None]:
    """Return the compiled `reset_metrics`, which is cached in the job's state for the next trial of a sweep."""
    variables = job.model.metrics_variables
    cached = job.state.reset[0] if job.state.reset is not None else ()
    if len(cached) != len(variables) or any(a is not b for a, b in zip(cached, variables, strict=True)):
        job.state.reset = variables, tf.function(job.model.reset_metrics, autograph=False)
    return job.state.reset[1]


def _plain(value: Any) -> Any:
    """Return a metric as a Python number, as `fit` does, for history and checkpoints."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value  # a plug-in's metric can have any result


def build(job: Job, step: Any = None, examples: Split | None = None) -> tf.Graph | None:
    """Create the variables of model, optimizer, metrics and training step before code that uses them is compiled.

    Keras' `fit` may do so in its first step. Building the optimizer is then part of the compiled step and repeated at each one,
    so that Keras' ScheduleFreeAdamW (3.15) restarts at each step. What a user's step creates at its first call, such as the
    variables of a second optimizer, belongs in checkpoints, which are restored before that call.

    Args:
        job: model, data and plan.
        step: the trainer's training step; default None: the model's `train_step`.
        examples: the batch by which a step is traced; default None: of one example.

    Returns:
        The graph of the step; None if it is not traced, because it cannot have variables of its own.
    """
    model = job.model
    if job.state.built:
        return None  # by the previous trial of a sweep
    job.state.built = True
    example = functional.few(model, job.train, 1)
    with model.distribute_strategy.scope():
        _build_loss_and_metrics(model, example.y, example.weight)
        keras_model_private.build_for(model, (example.x, example.y, example.weight))
    own_step = type(step) is not Accumulate and step not in (None, default)
    is_users = own_step or takes_own(model, "train_step")
    if not is_users and not foreign_parts(model):
        return None
    if own_step and hasattr(step, "build"):
        with model.distribute_strategy.scope():
            step.build(model)
    try:
        graph = _traced(job, example if examples is None else examples, step)
    except Exception:
        if not model.run_eagerly:  # which allows what cannot be traced
            raise
        graph = None
    hold(model, step if own_step else None, graph)
    return graph


def trace(job: Job, examples: Split, step: Any = None) -> tf.Graph | None:
    """Build the job, and trace a training step as trainers compile it, on one device or on replicas; nothing is trained.

    Args:
        job: model, data and plan.
        examples: a batch.
        step: see `build`; the model's own `train_step` precedes the default step.

    Returns:
        The graph.
    """
    # Once: a trace of 30 layers takes a second or two.
    return build(job, step, examples) or _traced(job, examples, step)


def _traced(job: Job, examples: Split, step: Any) -> tf.Graph | None:
    model, strategy = job.model, job.model.distribute_strategy
    by_model, replicated = step in (None, default), is_replicated(strategy)
    x, y, weight = as_tensors(examples.x, examples.y, examples.weight)

    def run() -> None:
        if by_model:
            model.train_step(batch_of(x, y, weight))
            return
        _, y_pred = _result.taken(step, model, x, y, weight, 1.0)
        model.compute_metrics(x, y, y_pred, sample_weight=weight)

    take = (lambda: strategy.run(run)) if replicated else run
    try:
        return first_call.traced(
            lambda: tf.function(take, autograph=False).get_concrete_function().graph,
            unbuilt_optimizers(model, None if by_model else step) if replicated else (),
            strategy,
        )
    except Exception as error:
        if (fault := first_call.explained(error, model if by_model else step)) is None:
            raise
        raise fault from error


def _build_loss_and_metrics(model: keras.Model, y: Any, weight: Any) -> None:
    """Create the variables of loss and metrics by an update with one example and a prediction of zeros.

    Keras traces three graphs for this, which takes 0.1 s for a small model; it does so later if this update fails. The update is made
    in a graph that is dropped: the first call of an operation takes twice as long as its place in a graph.
    """
    overridden = type(model).compute_metrics is not keras.Model.compute_metrics
    outputs = getattr(model, "outputs", None) or []
    if overridden or y is None or len(outputs) != 1 or model.distribute_strategy.num_replicas_in_sync > 1:
        return
    counts, loss = keras_model_private.compiled_parts(model)
    scratch = None if model.run_eagerly else tensorflow_private.scratch_graph()
    try:
        with contextlib.nullcontext() if scratch is None else scratch.as_default():
            y, weight = (None if v is None else tf.convert_to_tensor(v) for v in (y, weight))
            zeros = tf.zeros([1, *outputs[0].shape[1:]], outputs[0].dtype)
            if loss is not None:
                loss.build(y, zeros)
            if counts is not None:
                counts.update_state(y, zeros, weight)
        if counts is not None and scratch is None:
            counts.reset_state()
    except Exception:  # `build_for` repeats it, and raises the error
        for part in (counts, loss):
            if part is not None:
                part.built = False


def numbers(history: keras.callbacks.History) -> dict[str, list[float]]:
    """Return a history as plain numbers."""
    return {name: [float(v) for v in values] for name, values in history.history.items()}
