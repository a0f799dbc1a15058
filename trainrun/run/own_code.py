"""The user's own code, tried on a few examples before the run has a record: its faults are named by file and line."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.checkpoint import random_state
from trainrun.compat import keras_metric_private, keras_model_private, keras_optimizer_private
from trainrun.config import named_components
from trainrun.data.dataset import Split
from trainrun.errors import Problem, UserError
from trainrun.failure import classification
from trainrun.model import functional
from trainrun.model.variables import foreign_parts, untouched
from trainrun.registry import declaration_reader, lookup
from trainrun.run import own_loss
from trainrun.trainer import distillation, model_steps
from trainrun.trainer.epoch_loop import trace
from trainrun.trainer.job import Job
from trainrun.ui import console
from trainrun.util.places import place

# Hooks of callbacks that get a number besides the logs.
NUMBERED = tuple(
    f"on_{what}_{when}"
    for what in ("epoch", "batch", "train_batch", "test_batch", "predict_batch")
    for when in ("begin", "end")
)
HOOKS = (
    *NUMBERED,
    *(f"on_{what}_{when}" for what in ("train", "test", "predict") for when in ("begin", "end")),
)


def check(job: Job, config: Mapping[str, Any], step: Any) -> None:
    """Try the components of plug-ins that a run uses; nothing of the run changes.

    The loss and the metrics are called with a few examples, and a training step is traced, not taken.

    Args:
        job: model, data and plan.
        config: resolved.
        step: of the trainer, where it has one of its own.

    Raises:
        UserError: one of them is faulty.
    """
    own = dict(_own(config))
    held_out = ", ".join(f"data.{name}=0" for name in job.dataset.parts if name != "train")
    if held_out and not model_steps.can_test(job.model):
        kind = type(job.model)
        text = f"{place(kind)}: {kind.__name__} has a train_step of its own and no test_step; without labels there is no loss to measure held-out examples by. Define test_step, or set {held_out}."
        raise UserError(Problem("model", text))
    for key, component in own.items():
        if component.group == "callback":
            _check_callback(key, component)
    own_step = named_components.own_step(config["trainer"])
    if not (own or foreign_parts(job.model) or own_step):
        return
    several = job.model.distribute_strategy.num_replicas_in_sync > 1
    parts = (config["trainer"].get("accumulate") or 1) > 1
    divided = f"hardware={config['hardware']['name']}" if several else "trainer.accumulate" if parts else ""
    random = random_state.get()
    try:
        # An odd number of examples that no axis of the labels has: a result of another shape shows.
        part = functional.few(
            job.model, job.train, next(n for n in (5, 7, 11) if n != job.dataset.target.outputs)
        )
        with untouched(job.model):
            predicted = job.model(part.x, training=False)
        labelled = replace(part, y=distillation.apart(part.y)[0])
        if (fault := model_steps.undivided_loss(job.model, labelled, predicted)) is not None:
            raise UserError(Problem("model", f"{place(type(job.model).compute_loss)}: {fault}"))
        for output in job.dataset.each():
            of_output, its = (labelled.output(output), predicted[output]) if output else (labelled, predicted)
            within = f".{output}" if output else ""
            if f"loss{within}" in own:
                loss = job.model.loss[output] if output else job.model.loss
                with untouched(job.model):  # a loss may keep a state, such as a moving mean
                    own_loss.check(f"loss{within}", loss, of_output.y, its, own[f"loss{within}"], divided)
            for metric in _metrics(job, output):
                if (key := f"metric{within}.{metric.name}") in own:
                    _check_metric(key, metric, of_output, its, own[key])
        if "schedule" in own:
            _check_schedule(job.model.optimizer, own["schedule"])
        steps = declaration_reader.of("trainer", config["trainer"]["name"]).takes_steps
        if steps and not job.model.run_eagerly and _traced_without_loss(job, part, step):
            unused = f"does not call compute_loss: training does not use loss={config['loss']['name']}"
            console.note(f"train_step of {type(job.model).__name__} {unused}")
    except Exception as error:
        if classification.kind(error) != classification.OUT_OF_MEMORY:  # to which training has answers
            raise
    finally:
        random_state.set(random)


def _traced_without_loss(job: Job, part: Split, step: Any) -> bool:
    """Trace a training step; return whether it is the model's own and leaves the labels' loss out."""
    model, calls = job.model, []
    if not model_steps.is_own(model, "train_step") or model.loss is None:
        trace(job, part, step)
        return False
    before = vars(model).get("compute_loss")
    compute_loss = model.compute_loss

    def counted(*args: Any, **kwargs: Any) -> Any:
        if model.optimizer.built:  # Keras calls it before, too, to find the shapes
            calls.append(1)
        return compute_loss(*args, **kwargs)

    model.compute_loss = counted
    try:
        graph = trace(job, part, step)
    finally:
        del model.compute_loss
        if before is not None:
            model.compute_loss = before
    return graph is not None and not calls


def _own(config: Mapping[str, Any]) -> Iterator[tuple[str, lookup.Component]]:
    """Yield the key and the component of each plug-in's component that the config names at its top."""
    for group in lookup.KERAS:
        for key, spec in named_components.nodes(config, group):
            name = spec.get("name") if isinstance(spec, Mapping) else None
            if isinstance(name, str) and (group == "metric" or name in lookup.names(group)):
                component = lookup.find(group, name) if name not in ("auto", "none") else None
                if component is not None and component.origin.startswith("plug-in"):
                    yield key, component


def _check_callback(key: str, component: lookup.Component) -> None:
    thing = component.load()
    if not isinstance(thing, type):
        return
    if not issubclass(thing, keras.callbacks.Callback):
        text = f"{place(thing)}: {component.name} is no callback. Write class {thing.__name__}(keras.callbacks.Callback)."
        raise UserError(Problem(key, text))
    for hook in HOOKS:
        method = getattr(thing, hook)
        arguments = (None, 0, {}) if hook in NUMBERED else (None, {})
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError:
            takes = "self, epoch, logs=None" if "epoch" in hook else "self, batch, logs=None"
            takes = takes if hook in NUMBERED else "self, logs=None"
            text = f"{place(method)}: {hook} takes other arguments than Keras gives it. Write def {hook}({takes})."
            raise UserError(Problem(key, text)) from None


def _metrics(job: Job, output: str) -> Iterator[Any]:
    """Yield the metrics of an output."""
    for listed in keras_model_private.metric_arguments(job.model):
        yield from (listed[output] if output and listed else listed or ())


def _check_metric(key: str, metric: Any, part: Any, predicted: Any, component: lookup.Component) -> None:
    thing = component.load()
    inner = metric
    while hasattr(inner, "metric"):
        inner = inner.metric
    labels = getattr(metric, "labels", (None, None))[1] or ("ids" if np.ndim(part.y) == 1 else None)
    if labels in ("ids", "binary") and (line := _argmax_of_labels(thing)):
        raise UserError(
            Problem(
                key,
                f"{line}: argmax of y_true, which holds {'class ids' if labels == 'ids' else '0 or 1'} here. With "
                f'register("metric", "{component.name}", labels="one_hot") y_true is one-hot; or leave the argmax out.',
            )
        )
    if isinstance(inner, keras.metrics.MeanMetricWrapper):
        if fault := _function_fault(metric, inner, part.y, predicted):
            raise UserError(Problem(key, f"{place(thing)}: {component.name} {fault}"))
        return
    weight = None if part.weight is None else tf.convert_to_tensor(part.weight)
    metric.update_state(
        tf.convert_to_tensor(part.y), predicted, **({} if weight is None else {"sample_weight": weight})
    )
    result = inner.result()
    metric.reset_state()
    if result is None:
        raise UserError(
            Problem(key, f"{place(thing.result)}: result of {component.name} returned None. Add a return.")
        )
    if isinstance(result, Mapping):
        text = f"result of {component.name} returned {', '.join(map(str, result))} in a dict; expected one number. Write a metric for each."
        raise UserError(Problem(key, f"{place(thing.result)}: {text}"))


def _argmax_of_labels(thing: Any) -> str | None:
    """Return file and line of an argmax of `y_true` in a metric's source, or None."""
    function = thing.update_state if isinstance(thing, type) else thing
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
        labels = next(name for name in inspect.signature(function).parameters if name != "self")
    except (OSError, TypeError, SyntaxError, StopIteration):
        return None
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args or getattr(node.args[0], "id", None) != labels:
            continue
        if getattr(node.func, "attr", getattr(node.func, "id", None)) == "argmax":
            return f"{inspect.getsourcefile(function)}, line {first + node.lineno - 1}"
    return None


def _function_fault(
    metric: Any, inner: keras.metrics.MeanMetricWrapper, y: Any, predicted: Any
) -> str | None:
    """Return what is wrong with the values of the function inside a metric, or None."""
    faults = []

    def observed(y_true: Any, y_pred: Any, **further: Any) -> Any:
        values = function(y_true, y_pred, **further)
        faults.append(own_loss.values_fault(values, y_true, y_pred))
        return values if faults[-1] is None else tf.zeros(())

    function = keras_metric_private.exchange_function(inner, observed)
    try:
        metric.update_state(tf.convert_to_tensor(y), predicted)
    finally:
        keras_metric_private.exchange_function(inner, function)
        metric.reset_state()
    return next(filter(None, faults), None)


def _check_schedule(optimizer: Any, component: lookup.Component) -> None:
    schedule = keras_optimizer_private.rate(optimizer)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule) and schedule(0) is None:
        where = place(type(schedule).__call__)
        raise UserError(
            Problem("schedule", f"{where}: {component.name} returned None for step 0. Add a return.")
        )
