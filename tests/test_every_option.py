"""Every option of every group, named on the command line as a user does, trains a step of a fitting task."""

from __future__ import annotations

import math

import pytest

import trainrun
from trainrun.config import options

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
    "loss/ctc": None,  # labels that are sequences: no dataset of ours has them
    "model/file": None,  # a file: tests/model/test_model_file.py
    "model/keras_application": None,  # megabytes: tests/model/test_keras_application.py
    "optimizer/lookahead": ["optimizer.inner=sgd"],
    "callback/switch_on_plateau": ["optimizer=adam_then_sgd", "optimizer.switch_at=null"],
    "callback/swap_ema_weights": ["optimizer.use_ema=true"],
    "callback/tensorboard": None,  # the package tensorboard
    "data/csv": None,  # a file: tests/data/test_csv_file.py
    "data/npz": None,
    "data/none": ["model=quadratic", "metric=none", "trainer.batch_size=1"],
    "model/quadratic": ["data=none", "metric=none", "trainer.batch_size=1"],
    "metric/pearson_correlation": ["data=diabetes", "metric.pearson_correlation.axis=0"],
    "metric/concordance_correlation": ["data=diabetes", "metric.concordance_correlation.axis=0"],
    "metric/regression": ["data=diabetes"],
    "metric/multilabel": ["data=breast_cancer"],
    "metric/poisson": ["data=diabetes", "loss=poisson"],  # of positive predictions
    "model/unet_small": ["data=synthetic", "data.kind=segmentation", "data.size=16"],
    "model/layers": [
        "model.layers=[{name: Dense, units: 8, activation: relu, kernel_regularizer: l2}, {name: Dropout, rate: 0.1}]"
    ],
}
INPUTS = {"image": "data=digits", "tokens": ["data=synthetic", "data.kind=sequences", "data.examples=200"]}


def cases(group):
    for option in options.options(group).values():
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
    targets = option.directives.get("targets", ["multiclass"])
    return DATA[next(t for t in ("multiclass", "binary", "real", "none") if t in targets)]


@pytest.mark.parametrize("option", cases("loss"))
def test_loss(option, inside):
    extra = ["model=quadratic", "trainer.batch_size=1"] if option.name == "model_output" else []
    train(fitting(option), f"loss={option.name}", "metric=none", *extra)


@pytest.mark.parametrize("option", cases("metric"))
def test_metric(option, inside):
    result = train(*NEEDS.get(f"metric/{option.name}", [fitting(option)]), f"metric={option.name}")
    if option.values:
        assert option.name in result.history and math.isfinite(result.history[option.name][0])


@pytest.mark.parametrize("option", cases("optimizer"))
def test_optimizer(option, inside):
    train("data=iris", f"optimizer={option.name}", "metric=none", *NEEDS.get(f"optimizer/{option.name}", []))


@pytest.mark.parametrize("option", cases("schedule"))
def test_schedule(option, inside):
    assert "learning_rate" in train("data=iris", f"schedule={option.name}", "metric=none").history


@pytest.mark.parametrize("option", cases("callback"))
def test_callback(option, inside):
    train("data=iris", f"callback={option.name}", "metric=none", *NEEDS.get(f"callback/{option.name}", []))


@pytest.mark.parametrize("option", cases("model"))
def test_model(option, inside):
    data = NEEDS.get(f"model/{option.name}")
    if data is None or not any(o.startswith("data=") for o in data):
        kinds = option.directives.get("inputs", ["numeric"])
        chosen = "data=iris" if "numeric" in kinds else INPUTS[next(k for k in kinds if k in INPUTS)]
        data = [*(data or []), *([chosen] if isinstance(chosen, str) else chosen)]
    train(f"model={option.name}", *data)


@pytest.mark.parametrize("option", cases("data"))
def test_data(option, inside):
    train(f"data={option.name}", *NEEDS.get(f"data/{option.name}", []))


@pytest.mark.parametrize("kind", ["imbalanced", "blobs", "regression", "sequences"])
def test_synthetic_kind(kind, inside):
    train("data=synthetic", f"data.kind={kind}", "data.examples=200")


@pytest.mark.parametrize("group", ["initializer", "regularizer", "constraint"])
def test_weights_options(group, inside):
    refused = []
    for option in cases(group):
        option = option.values[0]
        if option.name in ("identity", "stft", "orthogonal_regularizer"):
            continue  # for square matrices, for layers of their own
        try:
            train("data=iris", "metric=none", f"model.{group}={option.name}")
        except trainrun.errors.UserError as error:
            refused.append(str(error))
    assert not refused


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16", "bfloat16", "float64"])
def test_precision(precision, inside):
    try:
        train("data=iris", f"hardware.precision={precision}")
    finally:
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
