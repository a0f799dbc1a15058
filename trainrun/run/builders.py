"""Config -> Keras objects. Config stops here: what comes out is a `Job`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.checkpoint.writer import Checkpoint
from trainrun.config.rules import combinations
from trainrun.config.rules.ranges import RUN_PATHS
from trainrun.data import cache
from trainrun.data.dataset import Dataset, Description, Split
from trainrun.errors import Problem, UserError
from trainrun.failure.adjustments import Concessions
from trainrun.failure.nan_guard import Finite
from trainrun.hardware import replicas
from trainrun.inspect.profiling import Profile
from trainrun.loss.auto import auto as auto_loss
from trainrun.model import penalty
from trainrun.registry import option_files
from trainrun.registry.construct import construct, parameters, resolve
from trainrun.run import label_encoding, metrics, progress_channel, seeding
from trainrun.run.target_scaling import Unit
from trainrun.step._accumulate import divide
from trainrun.trainer.job import Job, Plan
from trainrun.ui import console
from trainrun.ui.progress import Progress
from trainrun.util.lengths import LENGTHS
from trainrun.util.lengths import parse as parse_length

ACTIVATION = {"binary": "sigmoid", "multilabel": "sigmoid", "multiclass": "softmax"}
# Trainers that call the model's own `train_step`.
BY_TRAIN_STEP = ("fit", "train_on_batch")
NOTHING = Concessions()


def dataset(config: Mapping[str, Any]) -> Dataset:
    """Load the data, limit it, and hold the whole config against what it turned out to be.

    Raises:
        UserError: the data is faulty, or something in the config does not fit it.
    """
    data = cache.once(config["data"], lambda: construct("data", config["data"], complete=True))
    if not isinstance(data, Dataset):
        raise UserError(
            Problem(
                "data",
                f"{config['data']['name']} returned {type(data).__name__}, no trainrun.data.dataset.Dataset.",
            )
        )
    data = _limited(data, config["trainer"].get("limit"))
    if _loss_option(config["loss"], data)[0].directives.get("unit") == ["own"]:
        # A relative error, or a likelihood of counts, means nothing in deviations from the mean.
        data = replace(
            data, preprocessing={k: v for k, v in data.preprocessing.items() if k != "standardize_target"}
        )
    kinds = tuple(i.kind for i in data.inputs)
    known = Description(
        data.task,
        data.target.kind,
        len(data.target.classes) or None,
        len(data.train),
        kinds,
        outputs=data.target.outputs,
    )
    problems = combinations.problems(config, known)
    if problems:
        raise UserError(problems)
    return data


def strategy(config: Mapping[str, Any]) -> Any:
    """Set the devices up and return their `tf.distribute.Strategy`; what others take from the YAML is left out.

    Raises:
        UserError: there is no such device, or it is too late to set it up.
    """
    return construct("hardware", _own("hardware", config["hardware"]), complete=True)


def job(config: Mapping[str, Any], data: Dataset, strategy: Any, conceded: Concessions = NOTHING) -> Job:
    """Build, bridge and compile.

    Args:
        config: resolved and checked.
        data: as loaded.
        strategy: the `tf.distribute.Strategy` to build under.
        conceded: what failures have made different from the config.

    Raises:
        UserError: only building could tell that something does not fit.
    """
    settings = config["trainer"]
    seed, replica_count = config["seed"], strategy.num_replicas_in_sync
    batch_size = replicas.global_batch(
        settings["batch_size"], config["hardware"].get("scale_batch", "global"), replica_count
    )
    plan = Plan.of(
        len(data.train),
        settings["epochs"],
        batch_size,
        settings["steps_per_epoch"],
        seed,
        settings["shuffle"],
    )
    loss_option, loss_spec = _loss_option(config["loss"], data)
    with strategy.scope():
        seeding.begin(seed)
        model = construct(
            "model",
            config["model"],
            complete=True,
            inputs=data.inputs,
            target=data.target,
            head=_head(loss_option, loss_spec, data),
        )
        output = _output_kind(model, loss_option, data)
        reads = loss_option.directives.get("predictions", ["any"])
        form = label_encoding.choose(loss_option.directives.get("labels", []), data.target)
        penalty.report(model, replica_count)
        model.compile(
            optimizer=optimizer(config, plan, conceded.rate),
            loss=construct(
                "loss",
                loss_spec,
                complete=True,
                **plan.lengths(),
                **label_encoding.arguments(data.target, form, output, reads),
            ),
            **{_metrics_argument(data): metrics.build(config["metric"], data, form, output, plan)},
            run_eagerly=settings["run_eagerly"],
            # `auto` is off. XLA over the whole epoch, digits on a CPU of 2 cores: mlp 9.3 -> 2.8 ms, but cnn 52 -> 89,
            # and 3 to 4 s to compile, which a short run does not win back and a long one only where layers are dense.
            jit_compile=False if settings["jit_compile"] == "auto" else settings["jit_compile"],
        )
        replicas.clip_together(model.optimizer, replica_count)
    if conceded.parts > 1 and settings["name"] in BY_TRAIN_STEP:
        divide(model, conceded.parts)
    splits = {part: _encoded(getattr(data, part), data, form) for part in ("train", "validation", "test")}
    splits["train"] = replace(splits["train"], weight=_weights(settings["class_weight"], data))
    if (fault := _shape_fault(model, data)) is not None:
        raise UserError(fault)
    return Job(model, data, **splits, plan=plan, probabilities=_to_probabilities(output, data))


def on_one_device(config: Mapping[str, Any], data: Dataset, trained: Job) -> Job:
    """Return the job with the trained model as one device has it, to measure, predict and save.

    Keras measures and predicts under several replicas only where all parts of a batch are of one size, and under
    several workers not at all.
    """
    if trained.model.distribute_strategy.num_replicas_in_sync == 1:
        return trained
    alone = job(config, data, tf.distribute.get_strategy())
    alone.model.set_weights(trained.model.get_weights())
    alone.model.optimizer.iterations.assign(keras.ops.convert_to_numpy(trained.model.optimizer.iterations))
    return replace(alone, plan=trained.plan)


def optimizer(config: Mapping[str, Any], plan: Plan, rate: float = 1.0) -> keras.optimizers.Optimizer:
    """Return the optimizer, with the schedule as its learning rate where there is one; times `rate`."""
    spec = _in_steps("optimizer", config["optimizer"], plan)
    if config["schedule"]["name"] not in ("constant", "none"):
        spec["learning_rate"] = construct(
            "schedule", _in_steps("schedule", config["schedule"], plan), complete=True, **plan.lengths()
        )
    built = construct("optimizer", spec, complete=True, **plan.lengths())
    factor = plan.batch_size / config["trainer"]["batch_size"]
    if config["hardware"].get("scale_learning_rate") == "linear" and factor != 1:
        replicas.scale_rate(built, factor)
        console.note(f"learning rate × {factor:g}: the linear rule for {factor:g} times the examples a step")
    if rate != 1:
        replicas.scale_rate(built, rate)
    return built


def trainer(config: Mapping[str, Any], parts: int = 1) -> Any:
    """Return the trainer; what the plan has taken from its YAML already (`epochs` …) is left out.

    Args:
        config: resolved.
        parts: take each batch in so many, where that is more than the config says.
    """
    spec = _own("trainer", config["trainer"])
    if "accumulate" in spec:
        spec["accumulate"] = max(spec["accumulate"], parts)
    return construct("trainer", spec, complete=True)


def _own(group: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a spec that is its component's own arguments."""
    component, _ = resolve(group, spec)
    known = parameters(component.load())
    return {k: v for k, v in spec.items() if k == "name" or known is None or k in known}


def around(
    callbacks: list[keras.callbacks.Callback],
    journal: keras.callbacks.Callback,
    run_dir: Path,
    job: Job,
    settings: Mapping[str, Any],
    conceded: Concessions = NOTHING,
) -> list[keras.callbacks.Callback]:
    """Return the run's own callbacks around the user's: the first fill the logs, the last show them.

    Args:
        callbacks: the user's.
        journal: writes each epoch down.
        run_dir: the run's directory.
        job: what is trained.
        settings: the config's `checkpoint` node.
        conceded: what failures have made different from the config; checkpoints say so.
    """
    plan = job.plan
    rate = construct("callback", "learning_rate_logger")
    show = Progress(plan.epochs, plan.steps_per_epoch, plan.batch_size, plan.examples)
    kept = [rate, *callbacks, journal]
    # After the journal: what a checkpoint has behind it is written down.
    saved = Checkpoint(
        run_dir,
        every=settings["every"],
        keep=settings["keep"],
        plan={**plan.lengths(), "batch_size": plan.batch_size, **conceded.record()},
        writes=replicas.is_chief(job.model.distribute_strategy),
        within=not replicas.is_several_processes(job.model.distribute_strategy),
    )
    saved.callbacks = [*kept, saved]
    # After the journal, which tells the truth; before the checkpoints, where a nan would be the next beginning.
    finite = Finite(raises=not any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in callbacks))
    return [
        rate,
        *callbacks,
        keras.callbacks.History(),
        journal,
        finite,
        *progress_channel.callbacks(),
        saved,
        show,
    ]


def callbacks(config: Mapping[str, Any], run_dir: Path, job: Job) -> list[keras.callbacks.Callback]:
    """Return the callbacks that the config names, their relative paths inside the run's directory."""
    built, plan = [], job.plan
    for name, spec in config["callback"].items():
        spec = _in_steps("callback", spec, plan)
        if any(spec.get(p) for p in RUN_PATHS) and not replicas.is_chief(job.model.distribute_strategy):
            continue  # of several workers, one writes
        for argument in RUN_PATHS:
            if isinstance(spec.get(argument), str):
                path = run_dir / spec[argument]
                path.parent.mkdir(parents=True, exist_ok=True)
                spec[argument] = str(path)
        built.append(construct("callback", spec, key=f"callback.{name}", complete=True, **plan.lengths()))
    if config["trainer"].get("max_time") is not None:
        built.append(construct("callback", {"name": "time_limit", "limit": config["trainer"]["max_time"]}))
    if config.get("profile"):
        built.append(Profile(run_dir, *config["profile_steps"]))
    return built


def _limited(data: Dataset, limit: int | None) -> Dataset:
    if limit is None:
        return data
    first = {s: getattr(data, s) for s in ("train", "validation", "test")}
    return replace(data, **{k: None if v is None else v.part(slice(limit)) for k, v in first.items()})


def _in_steps(group: str, spec: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Turn lengths such as `0.5run` or `3epochs` into steps."""

    def steps(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [steps(v) for v in value]
        return None if value is None else parse_length(value).steps(plan.total_steps, plan.steps_per_epoch)

    return {k: steps(v) if (group, k) in LENGTHS else v for k, v in spec.items()}


def _loss_option(spec: Mapping[str, Any], data: Dataset) -> tuple[option_files.Option, Mapping[str, Any]]:
    """Return the loss's option (its directives say what it wants) and its spec; `auto` is resolved by the task."""
    if spec["name"] == "auto":
        option = option_files.find("loss", auto_loss(data.task, data.target.kind))
        return option, option.arguments
    option = option_files.by_component("loss", spec["name"], "loss")
    # A plug-in's loss without a YAML demands nothing.
    return option or option_files.Option("loss", spec["name"], "plug-in", None), spec


def _head(option: option_files.Option, spec: Mapping[str, Any], data: Dataset) -> str | None:
    """Return the activation of the model's last layer: what the loss reads decides."""
    reads = option.directives.get("predictions", ["any"])
    if data.target.kind in ("real", "none"):
        return "softplus" if "positive" in reads else None
    if reads == ["scores"] or spec.get("from_logits") is True:
        return None
    return ACTIVATION[data.target.kind]


def _output_kind(model: keras.Model, option: option_files.Option, data: Dataset) -> str:
    """Return what the model's output means, by its last layer: a model from a file or YAML has its own head."""
    if data.target.kind in ("real", "none"):
        return "real"
    activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", "linear")
    if activation in ("sigmoid", "softmax"):
        return "probabilities"
    return "scores" if option.directives.get("predictions") == ["scores"] else "logits"


def _to_probabilities(output: str, data: Dataset) -> str:
    return ACTIVATION.get(data.target.kind, "identity") if output in ("logits", "scores") else "identity"


def _metrics_argument(data: Dataset) -> str:
    # Keras leaves sample weights out of `metrics`; a dataset that brings its own weights wants them counted.
    return "weighted_metrics" if data.train.weight is not None else "metrics"


def _encoded(split: Split | None, data: Dataset, form: str) -> Split | None:
    if split is None:
        return None
    weight = label_encoding.weights(split.y, data.target, split.weight)
    y, unit = label_encoding.encode(split.y, data.target, form), Unit.of(data)
    return replace(split, y=y if unit is None else unit.standard(y), weight=weight)


def _weights(setting: Any, data: Dataset) -> np.ndarray | None:
    """Return the training labels' weights; `balanced` is examples / (classes · examples of the class)."""
    if setting == "balanced":
        counts = np.bincount(data.train.y.ravel(), minlength=len(data.target.classes))
        setting = {i: counts.sum() / (len(counts) * max(count, 1)) for i, count in enumerate(counts)}
    elif setting is not None:
        setting = {int(label): float(weight) for label, weight in setting.items()}
    return label_encoding.weights(data.train.y, data.target, data.train.weight, setting)


def _shape_fault(model: keras.Model, data: Dataset) -> Problem | None:
    """Say so if the model's own output cannot be held against the labels."""
    wanted = (None, *data.target.shape, data.target.outputs)
    got = tuple(model.output_shape) if not isinstance(model.output_shape, list | dict) else None
    if data.target.kind == "none" or got is None or len(got) != len(wanted) or got[-1] in (None, wanted[-1]):
        return None
    return Problem(
        "model",
        f"its last layer has {got[-1]} units; data={data.name} needs {wanted[-1]} "
        f"({len(data.target.classes) or data.target.outputs} {'classes' if data.target.classes else 'outputs'}). "
        "Change the last layer, or take a model whose head the data decides.",
    )
