"""Config -> Keras objects. Config stops here: what comes out is a `Job`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private, keras_private, tensorflow_private
from trainrun.config.named_components import own_step
from trainrun.config.rules import combinations
from trainrun.data._split import sample
from trainrun.data.cache import DatasetCache
from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.failure.adjustments import NO_ADJUSTMENTS, Adjustments
from trainrun.hardware import replicas
from trainrun.model import functional, penalty
from trainrun.registry import declaration_reader, lookup
from trainrun.registry.construct import construct, parameters, resolve
from trainrun.run import (
    augmentation_builder,
    initial,
    metrics,
    model_builder,
    optimizer_builder,
    output,
    output_head,
    stored_preprocessing,
    teacher,
)
from trainrun.run.target_scaling import in_deviations, in_unit_of_loss, multiplied
from trainrun.step._accumulate import divide, parts_refusal
from trainrun.trainer import distillation, model_steps
from trainrun.trainer.job import Job, Plan, Resampled
from trainrun.trainer.model_state import ModelState
from trainrun.ui import console
from trainrun.util import machine


def dataset(config: Mapping[str, Any], cache: DatasetCache | None = None) -> Dataset:
    """Load the data, limit it, and check the whole config against the loaded data.

    Args:
        config: resolved and checked.
        cache: datasets that the process has loaded already.

    Raises:
        UserError: the data is faulty, or something in the config does not fit it.
    """
    data = stored_preprocessing.load(config, cache)
    machine.release_freed_memory()  # of what was read
    data = _limited(data, config["trainer"].get("limit"), config["seed"])
    losses = {
        name: (part.key, part.spec["name"], part.demands.unit)
        for name, part in output.of(config, data).items()
    }
    data = in_unit_of_loss(data, losses)
    problems = combinations.problems(config, data.description())
    if problems:
        raise UserError(problems)
    return data


def strategy(config: Mapping[str, Any]) -> Any:
    """Set the devices up and return their `tf.distribute.Strategy`.

    Raises:
        UserError: there is no such device, or TensorFlow has been initialized already.
    """
    made = construct("hardware", _arguments("hardware", config["hardware"]), complete=True)
    if not isinstance(made, tf.distribute.Strategy):
        text = f"{config['hardware']['name']} returned {type(made).__name__}; expected a tf.distribute.Strategy, such as tf.distribute.get_strategy()."
        raise UserError(Problem("hardware", text))
    return made


def job(
    config: Mapping[str, Any],
    data: Dataset,
    strategy: Any,
    adjustments: Adjustments = NO_ADJUSTMENTS,
    keep_kernels: bool = False,
    first_epoch: int = 0,
    run_epochs: int = 0,
) -> Job:
    """Build and compile the model, and encode the data for it.

    Args:
        config: resolved and checked.
        data: as loaded.
        strategy: the `tf.distribute.Strategy` to build under.
        adjustments: deviations that failures have led to.
        keep_kernels: other runs of the process use the same compiled functions; see `_seed`.
        first_epoch: epochs of the phases before this one.
        run_epochs: as in `Plan`.

    Raises:
        UserError: model and data do not fit, which only building shows.
    """
    settings = config["trainer"]
    seed, replica_count = config["seed"], strategy.num_replicas_in_sync
    batch_size = replicas.global_batch(
        settings.get("batch_size", len(data.train)),
        config["hardware"].get("scale_batch", "global"),
        replica_count,
    )
    resample = settings.get("resample")
    resampled = Resampled.of(data.train.y, resample) if resample else None
    examples = len(resampled.classes) * resampled.size if resampled else len(data.train)
    plan = _plan(settings, examples, batch_size, seed)
    plan = replace(plan, first_epoch=first_epoch, run_epochs=run_epochs, resampled=resampled)
    parts, several = output.of(config, data), bool(data.target.named)
    if replica_count > 1 and data.validation_sets:
        text = f"it has {replica_count} devices; data.validation_sets is measured on one. Take hardware=cpu, or hardware=gpu with one device."
        raise UserError(Problem("hardware", text))
    with strategy.scope():
        _seed(seed, keep_kernels)
        keras_private.name_counters().clear()  # so that a trial's layers are named as those of a run of its own
        model = model_builder.built(
            config, data, _alone({name: part.activation for name, part in parts.items()})
        )
        outline = model if functional.outputs(model) else functional.over(model, data.inputs)
        trained = declaration_reader.of("model", config["model"]["name"]).trained
        if trained and (deviating := in_deviations(outline, data)) is not outline:
            model = outline = deviating
        elif not trained and functional.outputs(model):
            model = outline = multiplied(model, data)
        meanings = {name: part.meaning(outline if several else model) for name, part in parts.items()}
        # A later phase begins from the checkpoint of the one before it, with a new optimizer.
        started = initial.weights(config, model, data) if first_epoch == 0 else None
        model_builder.freeze(config, model)
        state = ModelState()
        # Workers of several processes build the model at times of their own, so that a call could wait for the others.
        is_one_process = replica_count == 1 or isinstance(strategy, tf.distribute.MirroredStrategy)
        example = functional.few(model, data.train, 1).x if is_one_process else None
        penalty.report(model, replica_count, lambda: state.examples_of_replica, example)
        losses = {name: part.loss(meanings[name], plan) for name, part in parts.items()}
        # A step of the model's own gets x alone where there is nothing to predict, as by Keras' `fit(x)`; a loss gets placeholders.
        unlabeled = data.target.kind == "none" and model_steps.is_own(model, "train_step")
        weights = dict.fromkeys(losses, 1.0) | dict(config.get("loss_weights") or {}) if several else None
        model_builder.compiled(
            model,
            optimizer=optimizer_builder.optimizer(config, plan, adjustments.rate),
            loss=None if unlabeled else _alone(losses),
            loss_weights=weights,
            **{_metrics_argument(data): _alone({n: p.metrics(meanings[n], plan) for n, p in parts.items()})},
            run_eagerly=settings.get("run_eagerly", False),
            jit_compile=settings.get("jit_compile", "auto") is True,
        )
        model_builder.group(config, model)
        if several:
            keras_model_private.weigh_terms_by_examples(
                model, losses, weights, lambda: state.examples_of_replica
            )
        taught = teacher.distillation(config, data, meanings, model)
        if taught is not None:
            taught.mix_into(model, weights)
        replicas.clip_together(model.optimizer, replica_count)
        if started is not None:
            started = replace(started, optimizer=initial.optimizer(config, model))
    refuse_own_steps(config, model, replica_count)
    trains = declaration_reader.of("trainer", settings["name"])
    if adjustments.parts > 1 and trains.calls_train_step:
        divide(model, adjustments.parts)
    splits = {part: output.encoded(getattr(data, part), parts, unlabeled) for part in Dataset.PARTS}
    if settings["class_weight"] is not None:
        splits["train"] = replace(
            splits["train"], weight=output.class_weights(settings["class_weight"], data)
        )
    if taught is not None:
        splits["train"] = distillation.joined(splits["train"], teacher.encoded(data))
    embeds = "embedding" in meanings.values()
    own_loss = not several and lookup.is_plugin("loss", config["loss"]["name"])
    if not (several or embeds) and (fault := output_head.shape_problem(outline, data, own_loss)) is not None:
        raise UserError(fault)
    probabilities = _alone(
        {n: output_head.to_probabilities(meanings[n], part.data) for n, part in parts.items()}
    )
    augment = augmentation_builder.augmentations(config, data)
    sets = {name: output.encoded(split, parts) for name, split in data.validation_sets.items()}
    return Job(
        model, data, **splits, plan=plan, probabilities=probabilities, state=state, initial=started, augment=augment,
        teacher=taught, validation_sets=sets, changes_over=settings.get("jit_compile") == "auto",
        embeds=embeds, saved=model_builder.saved_part(config, model),
    )  # fmt: skip


def refuse_own_steps(config: Mapping[str, Any], model: keras.Model, replica_count: int) -> None:
    """Refuse a model whose own `train_step`, `compute_loss` or added losses the trainer or the devices do not honour.

    Args:
        config: resolved and checked.
        model: compiled, for any number of replicas.
        replica_count: of the run.

    Raises:
        UserError: with the reason.
    """
    settings = config["trainer"]
    if replica_count > 1 and (reason := parts_refusal(model)) is not None:
        raise UserError(Problem("loss", reason))
    honours = declaration_reader.of("trainer", settings["name"]).takes_steps or lookup.is_plugin(
        "trainer", settings["name"]
    )
    accumulate = settings.get("accumulate") or 1
    reason = model_steps.refusal(model, settings["name"], honours, accumulate, replica_count)
    if reason is not None and own_step(settings) is None:
        raise UserError(Problem("model", reason))


def _plan(settings: Mapping[str, Any], examples: int, batch_size: int, seed: int) -> Plan:
    """Return the plan; a trainer that takes the whole data at once has one epoch of its number of steps."""
    if "epochs" not in settings:
        steps = settings.get("steps") or settings.get("max_steps") or 1
        return Plan(1, examples, steps, examples, seed, shuffle=False)
    return Plan.of(
        examples, settings["epochs"], batch_size, settings["steps_per_epoch"], seed, settings["shuffle"]
    )


def say_unexpected(config: Mapping[str, Any], job: Job) -> None:
    """Warn of consequences of the data for the config: epochs shorter than configured, metrics that will be undefined."""
    asked, plan = config["trainer"].get("steps_per_epoch"), job.plan
    if plan.resampled is not None:
        console.note(
            f"{config['trainer']['resample']}: {plan.resampled.size:,} training examples of each class in an epoch",
            fold=True,
        )
    if asked is not None and asked > plan.steps_per_epoch:
        console.warn(
            f"trainer.steps_per_epoch={asked}: an epoch ends after {plan.steps_per_epoch} steps, when all {plan.examples:,} "
            f"examples were seen (batches of {plan.batch_size}). For more steps, raise trainer.epochs."
        )
    for part in output.of(config, job.dataset).values():
        metrics.say_undefined(part.config["metric"], part.data, part.name)


def _seed(seed: int, keep_kernels: bool) -> None:
    """Seed the generators of Python, numpy, TensorFlow and Keras.

    When a seed is set, TensorFlow drops all kernels, because stateful random operations keep a counter in theirs. A compiled
    epoch then takes another 0.1 s at its next call, most of the time of a short trial. Trials that share a compiled program
    have no such operation (`RANDOM_OPERATIONS`; Keras' own draw from variables), so their kernels are kept.
    """
    with tensorflow_private.keep_kernels() if keep_kernels else nullcontext():
        keras.utils.set_random_seed(seed)


def trainer(config: Mapping[str, Any], strategy: Any = None, parts: int = 1) -> Any:
    """Return the trainer; settings of the plan (`epochs` …) are left out of its arguments.

    Args:
        config: resolved.
        strategy: the `tf.distribute.Strategy` of the job, under which a training step makes its variables; default None: one device.
        parts: parts of each batch, where that is more than configured.
    """
    spec = _arguments("trainer", config["trainer"])
    if "accumulate" in spec:
        spec["accumulate"] = max(spec["accumulate"], parts)
    with (strategy or tf.distribute.get_strategy()).scope():
        return construct("trainer", spec, complete=True)


def _arguments(group: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a spec that are arguments of its component."""
    component, _ = resolve(group, spec)
    known = parameters(component.load())
    return {k: v for k, v in spec.items() if k == "name" or known is None or k in known}


def _limited(data: Dataset, limit: int | None, seed: int) -> Dataset:
    """Return at most so many examples of each part, drawn at random: the first rows of a sorted file are one class."""
    if limit is None:
        return data
    classes = data.target.kind in ("binary", "multiclass") and not data.target.shape
    for part, split in data.parts.items():
        if len(split) > limit:
            data = data.reduced(part, sample(len(split), limit, seed, split.y if classes else None))
    return data


def _metrics_argument(data: Dataset) -> str:
    # Keras leaves sample weights out of `metrics`; weights of the dataset must count.
    return "weighted_metrics" if data.train.weight is not None else "metrics"


def _alone(of_outputs: dict[str, Any]) -> Any:
    """Return what is of the only output, or a dict by name where there are several."""
    return of_outputs.get("", of_outputs)
