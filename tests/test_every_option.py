"""Every option of every group, named on the command line as a user does, trains a step of a fitting task.

A run is shared where options do not touch each other: a loss, an optimizer and a schedule; the metrics of one task.
"""

from __future__ import annotations

import itertools
import math

import pytest
import tensorflow as tf

import trainrun
from trainrun.hydra_bridge import compose_cache
from trainrun.registry import declaration_reader, option_files
from trainrun.run import builders

FAST = ["tracking=none", "trainer.epochs=1", "trainer.limit=48", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false",
        "trainer.steps_per_epoch=2", "trainer.batch_size=16", "model.units=[8]"]  # fmt: skip
DATA = {
    "binary": "data=breast_cancer",
    "multiclass": "data=iris",
    "real": "data=diabetes",
    "none": "data=none",
}
# What an option needs besides its name.
NEEDS = {
    "optimizer/multi": ["optimizer.map={.*: adam}"],
    "loss/ctc": None,  # labels that are sequences: no dataset of ours has them
    "model/file": None,  # a file: tests/model/test_model_file.py
    "model/keras_application": None,  # megabytes: tests/model/test_keras_application.py
    "model/keras_hub": None,  # a preset: tests/model/test_keras_hub.py
    "optimizer/lookahead": ["optimizer.inner=sgd"],
    "callback/switch_on_plateau": ["optimizer=adam_then_sgd", "optimizer.switch_at=null"],
    "callback/swap_ema_weights": ["optimizer.use_ema=true"],
    "callback/tensorboard": None,  # the package tensorboard
    "data/csv": None,  # files: tests/data
    "data/keras": None,
    "data/huggingface": None,
    "data/tfds": None,
    "data/tfrecord": None,
    "data/feather": None,
    "data/image_folder": None,
    "data/text": None,
    "data/timeseries": None,
    "data/python": None,  # a function: tests/data/test_python.py
    "data/parquet": None,
    "data/npz": None,
    "data/none": ["model=quadratic", "metric=none", "trainer.batch_size=1"],
    "model/quadratic": ["data=none", "metric=none", "trainer.batch_size=1"],
    "metric/pearson_correlation": ["data=diabetes", "metric.pearson_correlation.axis=0"],
    "metric/concordance_correlation": ["data=diabetes", "metric.concordance_correlation.axis=0"],
    "metric/regression": ["data=diabetes"],
    "metric/multilabel": ["data=breast_cancer"],
    "metric/poisson": ["data=diabetes", "loss=poisson"],  # of positive predictions
    "model/unet_small": [
        "data=synthetic",
        "data.kind=segmentation",
        "data.size=8",
        "data.examples=60",
        "model.filters=[2,4]",
    ],
    "model/transformer_small": ["model.width=8", "model.heads=2", "model.depth=1", "model.feed_forward=8"],
    "model/recurrent": ["model.units=[4]", "model.embedding=4"],
    "model/resnet_small": ["model.filters=[2,4]"],
    "model/layers": [
        "model.layers=[{name: Dense, units: 8, activation: relu, kernel_regularizer: l2}, {name: Dropout, rate: 0.1}]"
    ],
}
INPUTS = {"image": "data=digits", "tokens": ["data=synthetic", "data.kind=sequences", "data.examples=60"]}


def cases(group):
    for option in option_files.options(group).values():
        key = f"{group}/{option.name}"
        if not option.alias_of and NEEDS.get(key, []) is not None and option.name not in ("none", "auto"):
            yield pytest.param(option, id=key)


def train(*overrides):
    drop_units = any(o.startswith("model=") and o.split("=")[1] != "mlp" for o in overrides)
    fast = [o for o in FAST if not (drop_units and o.startswith("model.units"))]
    result = trainrun.run([*fast, *overrides])
    loss = result.history["loss"]
    assert len(loss) == 1 and math.isfinite(loss[0]), loss
    return result


def fitting(option):
    """Return the data override for an option: the first kind of target that it says it fits."""
    targets = declaration_reader.of(option.group, option.arguments.get("name")).targets or ("multiclass",)
    return DATA[next(t for t in ("multiclass", "binary", "real", "none") if t in targets)]


def named(group):
    return {case.id: case.values[0] for case in cases(group)}


# They have rates of their own.
NO_SCHEDULE = ("adam_then_sgd", "schedule_free_adamw", "keras_schedule_free_adamw")


def of_a_run():
    """Yield runs that use up all losses, optimizers and schedules: (id, loss, optimizer, schedule), None: the default."""
    losses, optimizers, schedules = (named(g).values() for g in ("loss", "optimizer", "schedule"))
    losses = sorted(
        losses, key=lambda o: o.name == "model_output"
    )  # which has a model of its own: without an optimizer
    optimizers = sorted(optimizers, key=lambda o: o.name in NO_SCHEDULE)
    for options_ in itertools.zip_longest(losses, optimizers, schedules):
        yield pytest.param(*options_, id="-".join(o.name for o in options_ if o))


@pytest.mark.parametrize(("loss", "optimizer", "schedule"), of_a_run())
def test_loss_optimizer_and_schedule(loss, optimizer, schedule, inside):
    overrides = [fitting(loss), f"loss={loss.name}"] if loss else ["data=iris"]
    if loss and loss.name == "model_output":
        overrides += ["model=quadratic", "trainer.batch_size=1"]
    if optimizer:
        overrides += [f"optimizer={optimizer.name}", *NEEDS.get(f"optimizer/{optimizer.name}", [])]
    if schedule:
        overrides.append(f"schedule={schedule.name}")
    history = train(*overrides, "metric=none").history
    assert any(key.startswith("learning_rate") for key in history)  # of multi: one for each optimizer


def of_a_task():
    """Yield the metrics that one run can have: those of equal needs; a preset holds others, so it stands alone."""
    together = {}
    for option in named("metric").values():
        needs = NEEDS.get(f"metric/{option.name}", [fitting(option)])
        own = [n for n in needs if n.startswith("metric.")]
        rest = tuple(n for n in needs if n not in own)
        together.setdefault((*rest, *([] if option.values else [option.name])), []).append(
            (option, rest, own)
        )
    for metrics in together.values():
        data, arguments = metrics[0][1], [n for _, _, own in metrics for n in own]
        metrics = [option for option, _, _ in metrics]
        yield pytest.param(
            metrics, [*data, *arguments], id="-".join([*data, *(o.name for o in metrics if not o.values)])
        )


@pytest.mark.parametrize(("metrics", "needs"), of_a_task())
def test_metric(metrics, needs, inside):
    names = [o.name for o in metrics]
    result = train(*needs, f"metric=[{','.join(names)}]" if len(names) > 1 else f"metric={names[0]}")
    for option in metrics:
        if option.values:
            assert option.name in result.history and math.isfinite(result.history[option.name][0])


def test_callback(inside):
    callbacks = named("callback").values()
    alone = [o.name for o in callbacks if f"callback/{o.name}" in NEEDS]
    together = [o.name for o in callbacks if o.name not in alone]
    assert len(together) > 5 and len(alone) == 2
    train("data=iris", f"callback=[{','.join(together)}]", "metric=none")
    for name in alone:
        train("data=iris", f"callback={name}", "metric=none", *NEEDS[f"callback/{name}"])


@pytest.mark.parametrize("option", cases("model"))
def test_model(option, inside):
    data = NEEDS.get(f"model/{option.name}")
    if data is None or not any(o.startswith("data=") for o in data):
        kinds = declaration_reader.of("model", option.arguments["name"]).inputs or ("numeric",)
        chosen = "data=iris" if "numeric" in kinds else INPUTS[next(k for k in kinds if k in INPUTS)]
        data = [*(data or []), *([chosen] if isinstance(chosen, str) else chosen)]
    train(f"model={option.name}", *data)


@pytest.mark.parametrize(
    "option", [c for c in cases("data") if c.id not in ("data/iris", "data/none", "data/synthetic")]
)
def test_data(option, inside):
    """`iris` and `none` train with the models above, `synthetic` below."""
    train(f"data={option.name}", *NEEDS.get(f"data/{option.name}", []))


@pytest.mark.parametrize("kind", ["imbalanced", "blobs", "regression", "sequences"])
def test_synthetic_kind(kind, inside):
    train("data=synthetic", f"data.kind={kind}", "data.examples=200")


@pytest.mark.parametrize("group", ["initializer", "regularizer", "constraint"])
def test_weights_options(group, inside):
    """Each is taken by a model of its own, as the command line's word; one run trains with a layer of each."""
    names = [case.values[0].name for case in cases(group)]
    # Those left out are for square matrices, for layers of their own.
    names = [name for name in names if name not in ("identity", "stft", "orthogonal_regularizer")]
    assert len(names) > 2
    with compose_cache.enabled():
        for name in names:
            config = trainrun.compose([*FAST, "data=iris", "metric=none", f"model.{group}={name}"])
            job = builders.job(config, builders.dataset(config), tf.distribute.get_strategy())
            attached = getattr(job.model.layers[-2], f"kernel_{group}")
            assert attached is not None
    layers = ",".join(f"{{name: Dense, units: 8, kernel_{group}: {name}}}" for name in names)
    train("data=iris", "metric=none", "model=layers", f"model.layers=[{layers}]")


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16", "bfloat16", "float64"])
def test_precision(precision, inside):
    try:
        train("data=iris", f"hardware.precision={precision}")
    finally:
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
