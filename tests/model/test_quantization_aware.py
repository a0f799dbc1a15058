"""Quantization-aware training, held to what plain Keras makes of the same weights by `model.quantize`."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.commands import check
from trainrun.errors import UserError
from trainrun.model import front, quantization_aware, raw_examples
from trainrun.run.exported import rounded_otherwise

MODES = ("int8", "int4")
RANDOM = np.random.default_rng(0)
CONFIG = [
    "data=wine", "model=mlp", "model.units=[16]", "trainer=custom", "trainer.epochs=2", "optimizer.learning_rate=0.01", "tracking=none",
    "artifacts.plots=false", "artifacts.report=false",
]  # fmt: skip


def numbers(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def attention():
    inputs = keras.Input((6, 8))
    return keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4)(inputs, inputs))


def of_one(layer, *shape, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), layer])


CASES = {
    "dense": (lambda: of_one(keras.layers.Dense(5, activation="tanh"), 7), numbers(9, 7)),
    "dense of two blocks": (lambda: of_one(keras.layers.Dense(5), 200), numbers(9, 200)),
    "dense of a whole block": (lambda: of_one(keras.layers.Dense(5), 3, 128), numbers(9, 3, 128)),
    "several axes": (lambda: of_one(keras.layers.EinsumDense("abc,bcd->ad", 5), 4, 6), numbers(9, 4, 6)),
    "attention": (attention, numbers(9, 6, 8)),
    "embedding": (
        lambda: of_one(keras.layers.Embedding(20, 6), 4, dtype="int32"),
        RANDOM.integers(0, 20, (9, 4)),
    ),
}


def aware_and_quantized(make, mode, shift):
    aware, quantized = make(), make()
    weights = [numbers(*w.shape) + shift for w in aware.weights]
    for model in (aware, quantized):
        model.set_weights(weights)
    quantization_aware.apply(aware, mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each layer that stays as it is
        quantized.quantize(mode)
    return aware, quantized


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_layers_compute_what_keras_quantizes(name, mode):
    make, x = CASES[name]
    for shift in (0, 3):  # also a kernel without a weight of 0, whose int4 range is cut
        aware, quantized = aware_and_quantized(make, mode, shift)
        expected = quantized(x).numpy()
        np.testing.assert_allclose(aware(x), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("mode", MODES)
def test_layers_in_mixed_precision_round_the_weights_as_they_are_stored(mode):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        for name in ("dense of two blocks", "embedding"):
            make, x = CASES[name]
            aware, quantized = aware_and_quantized(make, mode, 0)
            expected = np.float32(quantized(x))
            off = np.abs(np.float32(aware(x)) - expected).max() / np.abs(expected).max()
            assert off < 0.01  # a digit of bfloat16; another value of int4 would be 0.1
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_gradient_is_that_at_the_rounded_weights_and_inputs():
    aware, quantized = aware_and_quantized(CASES["dense"][0], "int8", 0)
    x = CASES["dense"][1]
    with tf.GradientTape() as tape:
        output = aware(x)
    gradient = tape.gradient(output, aware.layers[0].kernel.value)
    scale = 127 / (np.abs(x).max(axis=1, keepdims=True) + 1e-7)
    rounded = np.round(x * scale) / scale
    np.testing.assert_allclose(gradient, rounded.T @ (1 - quantized(x).numpy() ** 2), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs by quantization and trainer, of a table whose sums are no whole numbers: at 0 the last digit would decide a ReLU's gradient."""
    folder = tmp_path_factory.mktemp("aware")
    return {
        (mode, trainer): trainrun.run(
            [*CONFIG, f"trainer={trainer}", f"model.quantization_aware={mode}"],
            run_dir=folder / mode / trainer,
        )
        for mode, trainer in (("int8", "custom"), ("int4", "custom"), ("int4", "train_on_batch"))
    }


@pytest.mark.parametrize("mode", MODES)
def test_a_run_measures_what_it_exports(mode, runs):
    run = runs[mode, "custom"]
    folder = Path(run.export("keras", mode).folder)
    test = run.data().test
    raw = raw_examples.of(test.x, run.saved.fitted)["numeric"]
    plain, exported = (
        keras.saving.load_model(path / "model.keras", compile=False) for path in (run.run_dir, folder)
    )
    predicted, in_float = exported(raw).numpy(), plain(raw).numpy()
    loss = -np.log(predicted[np.arange(len(test.y)), test.y]).mean()
    assert loss == pytest.approx(run.metrics["test_loss"], rel=1e-4)
    assert np.mean(predicted.argmax(1) == test.y) == pytest.approx(run.metrics["test_accuracy"])
    quantization_aware.apply(front.core(plain), mode)
    np.testing.assert_allclose(plain(raw), predicted, rtol=1e-4, atol=1e-5)
    assert np.abs(in_float - predicted).max() > 0.001
    np.testing.assert_allclose(run.saved.on_arrays(test.x), in_float, rtol=1e-4, atol=1e-5)


def test_trainers_agree(runs):
    custom, by_batch = (runs["int4", trainer].history for trainer in ("custom", "train_on_batch"))
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(custom[name], by_batch[name], rtol=1e-4)


def test_what_cannot_be_is_refused():
    for more, reason in (
        (["model.quantization_aware=int2"], "model.quantization_aware: .*int8"),
        (["model.quantization_aware=int4", "model.lora={rank: 2, layers: .*}"], "adapters of model.lora"),
        (["model.quantization_aware=int8", "hardware.precision=mixed_float16"], "float16 to int8"),
        (["model.quantization_aware=int4", "trainer=gradient_loop"], "trainer=gradient_loop searches"),
    ):
        with pytest.raises(UserError, match=reason):
            trainrun.compose([*CONFIG, *more])
    with pytest.raises(UserError, match=r"no layer that Keras quantizes \(Dense, EinsumDense, Embedding\)"):
        quantization_aware.apply(of_one(keras.layers.BatchNormalization(), 3), "int8")
    with pytest.raises(UserError, match="Write its axes out"):
        layer = keras.layers.EinsumDense("...a,ab->...b", (4, 5))
        quantization_aware.apply(of_one(layer, 4, 6), "int8")
    with pytest.raises(UserError, match="ReversibleEmbedding"):
        layer = keras.layers.ReversibleEmbedding(20, 6)
        quantization_aware.apply(of_one(layer, 4, dtype="int32"), "int8")


def test_check_looks_at_the_layers(inside):
    with pytest.raises(UserError, match="no layer that Keras quantizes"):
        check.main(["data=digits", "model=layers", "model.layers=[{name: Conv2D, filters: 10, kernel_size: 8}, Flatten]", "model.add_head=false", "model.quantization_aware=int8"])  # fmt: skip
    images = ["data=synthetic", "data.kind=segmentation", "data.size=8", "data.examples=60"]
    with pytest.raises(
        UserError, match="model=unet_small has no layer that Keras quantizes"
    ):  # before TensorFlow
        check.main(["-m", *images, "model=unet_small", "model.quantization_aware=null,int8"])


def test_an_export_of_another_kind_is_told():
    config = {"model": {"quantization_aware": "int8"}}
    assert rounded_otherwise(config, "keras", "int8") is None
    assert rounded_otherwise({"model": {}}, "keras", "int4") is None
    assert "trained for int8, and this export is int4" in rounded_otherwise(config, "keras", "int4")
    assert "int8 of litert, which rounds otherwise" in rounded_otherwise(config, "litert", "int8")
    assert "weights before rounding" in rounded_otherwise(config, "onnx", None)
