"""Every model on every kind of data that it takes: shapes, sizes by hand, saving, one step of training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from examples import BINARY, IMAGE, INPUTS, MULTICLASS, NUMERIC, TARGETS, TOKENS, values

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import UserError
from trainrun.model import _inputs
from trainrun.registry import declaration_reader
from trainrun.registry.construct import construct

TAKES_ALL = ("linear", "mlp", "sparse_mlp", "recurrent", "transformer_small", "wide_and_deep")
IMAGES_ONLY = ("cnn", "resnet_small")
# Pairs instead of the whole product: each model with each kind, and each of both with each target.
SHAPES = [
    (m, k, list(TARGETS)[(i + j) % len(TARGETS)])
    for i, m in enumerate(TAKES_ALL)
    for j, k in enumerate(INPUTS)
] + [(m, "image", t) for m in IMAGES_ONLY for t in TARGETS]
# Layers of ours encode what comes in, all of them where all kinds do; two models read one kind alone in ways of their own.
SAVED = [
    *((m, k) for m in ("recurrent", "transformer_small") for k in INPUTS),
    *((m, "all") for m in TAKES_ALL if m not in ("recurrent", "transformer_small")),
    *(("linear", "tokens"), ("mlp", "image"), ("sparse_mlp", "categorical"), ("wide_and_deep", "mixed"), ("mlp", "numeric")),
    *((m, "image") for m in (*IMAGES_ONLY, "unet_small")),
]  # fmt: skip


def build(name, inputs, target=BINARY, head="sigmoid", **arguments):
    return construct("model", {"name": name, **arguments}, inputs=inputs, target=target, head=head)


@pytest.mark.parametrize(("name", "kind", "target"), SHAPES)
def test_output_has_the_targets_shape(name, kind, target):
    spec, head = TARGETS[target]
    model = build(name, INPUTS[kind], spec, head)
    output = np.asarray(model(values(INPUTS[kind])))
    assert output.shape == (6, *spec.shape, spec.outputs) and output.dtype == np.float32
    # The builder reads the last layer's activation to know what the output means.
    assert model.layers[-1].name == "head"
    assert getattr(model.layers[-1], "activation", keras.activations.linear).__name__ == (head or "linear")
    if head == "softmax":
        np.testing.assert_allclose(output.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(("name", "kind"), SAVED)
def test_saved_and_loaded_it_predicts_the_same(name, kind, tmp_path):
    target, head = TARGETS["mask" if name == "unet_small" else "binary"]
    model, x = build(name, INPUTS[kind], target, head), values(INPUTS[kind])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(model(x)))


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        (m, k, "multiclass")
        for m, k in zip(TAKES_ALL, ("mixed", "all", "image", "tokens", "tokens", "mixed"), strict=True)
    ]
    + [("cnn", "image", "binary"), ("resnet_small", "image", "real"), ("unet_small", "image", "mask")],
)
def test_one_step_of_fit_moves_every_weight(name, kind, target, seeded):
    spec, head = TARGETS[target]
    model, x = build(name, INPUTS[kind], spec, head), values(INPUTS[kind])
    rng = np.random.default_rng(1)
    y = (
        rng.integers(0, max(2, spec.outputs), (6, *spec.shape, 1))
        if spec.classes
        else rng.normal(size=(6, spec.outputs))
    )
    loss = {
        "binary": "binary_crossentropy",
        "mask": "binary_crossentropy",
        "multiclass": "sparse_categorical_crossentropy",
        "real": "mse",
    }
    model.compile(
        keras.optimizers.Adam(0.01), loss[target], jit_compile=False
    )  # Keras would take XLA, seconds each
    before = [np.copy(w) for w in model.get_weights()]
    history = model.fit(x, y.astype("float32"), batch_size=6, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    still = [w.path for w, b in zip(model.weights, before, strict=True) if np.array_equal(w, b)]
    # The seeds of dropout aside, what stays is a unit that no example reached.
    assert len(still) <= 1, still


@pytest.mark.parametrize("name", [*IMAGES_ONLY, "unet_small", "keras_application"])
@pytest.mark.parametrize("kind", ["numeric", "tokens", "mixed"])
def test_image_models_refuse_other_inputs(name, kind):
    with pytest.raises(
        UserError, match=rf"^model: model={name} takes one image input; the data has .*\. Try model=mlp"
    ):
        build(name, INPUTS[kind])
    assert declaration_reader.of("model", name).inputs == ("image",)


@pytest.mark.parametrize("name", TAKES_ALL)
def test_declaration_lists_every_kind_of_input_the_model_accepts(name):
    assert set(declaration_reader.of("model", name).inputs) == {
        "numeric",
        "categorical",
        "image",
        "tokens",
    }


@pytest.mark.parametrize("activation", ["rleu", "nope"])
@pytest.mark.parametrize("name", ["mlp", "sparse_mlp", "cnn", "transformer_small", "wide_and_deep"])
def test_unknown_activation_is_refused(name, activation):
    inputs = INPUTS["image" if name == "cnn" else "numeric"]
    with pytest.raises(UserError, match=r"model\.activation: expected one of .*'" + activation) as caught:
        build(name, inputs, activation=activation)
    assert ("Did you mean relu?" in str(caught.value)) == (activation == "rleu")


# Sizes by hand: a dense layer has (in + 1) · out weights, a convolution (height · width · in + 1) · out.
@pytest.mark.parametrize(
    ("name", "inputs", "target", "arguments", "expected"),
    [
        ("linear", "numeric", MULTICLASS, {}, (3 + 1) * 3),
        ("linear", "categorical", BINARY, {}, 4 + 30 + 1),
        ("linear", "tokens", BINARY, {}, 11 + 1),
        ("linear", "all", BINARY, {}, 3 + 34 + 30 + 11 + 1),
        ("mlp", "numeric", MULTICLASS, {"units": [5, 4]}, (3 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 3),
        ("mlp", "numeric", MULTICLASS, {"units": []}, (3 + 1) * 3),
        ("mlp", "image", BINARY, {"units": 7}, (30 + 1) * 7 + 8),
        ("mlp", "tokens", BINARY, {"units": [5], "embedding": 6}, 11 * 6 + (6 + 1) * 5 + 6),
        # ceil(1.6 · 30^0.56) = 11 numbers for the column with 30 values; no bias before a norm, which has four vectors.
        ("mlp", "categorical", BINARY, {"units": [5]}, 30 * 11 + (4 + 11 + 1) * 5 + 6),
        ("mlp", "numeric", BINARY, {"units": [5], "batch_norm": True}, 3 * 5 + 4 * 5 + 6),
        ("sparse_mlp", "numeric", BINARY, {"units": [5]}, (3 + 1) * 5 + 6),
        # 6x5 pooled twice: 3x2, 1x1.
        ("cnn", "image", MULTICLASS, {"filters": [2, 4], "units": 8}, (9 + 1) * 2 + (18 + 1) * 4 + (4 + 1) * 8 + (8 + 1) * 3),
        ("cnn", "image", BINARY, {"filters": 2, "kernel_size": 5, "units": 8}, (25 + 1) * 2 + (3 * 2 * 2 + 1) * 8 + 9),
        # A gate each for input, forgetting, cell and output; see Hochreiter and Schmidhuber.
        ("recurrent", "tokens", BINARY, {"units": [5], "embedding": 3}, 11 * 3 + 4 * ((3 + 5) * 5 + 5) + 6),
        ("recurrent", "tokens", BINARY, {"kind": "simple", "units": [5], "embedding": 3}, 11 * 3 + (3 + 5) * 5 + 5 + 6),
        ("recurrent", "tokens", BINARY, {"kind": "gru", "units": [5], "embedding": 3}, 11 * 3 + 3 * ((3 + 5) * 5 + 2 * 5) + 6),
        ("recurrent", "image", BINARY, {"units": [5], "embedding": 3}, (5 + 1) * 3 + 4 * ((3 + 5) * 5 + 5) + 6),
        ("recurrent", "tokens", BINARY, {"units": [5], "embedding": 3, "bidirectional": True}, 33 + 2 * 4 * 45 + 11),
        ("wide_and_deep", "numeric", BINARY, {"units": [5]}, (3 + 1) * 5 + (3 + 5 + 1)),
    ],
)  # fmt: skip
def test_number_of_weights_is_that_of_the_formula(name, inputs, target, arguments, expected):
    assert build(name, INPUTS[inputs], target, None, **arguments).count_params() == expected


def test_transformer_has_the_weights_of_its_formula():
    d, f, depth = 8, 12, 2
    model = build("transformer_small", (TOKENS,), width=d, heads=2, depth=depth, feed_forward=f)
    block = 4 * (d * d + d) + (d + 1) * f + (f + 1) * d + 2 * 2 * d
    assert model.count_params() == 11 * d + 7 * d + depth * block + 2 * d + d + 1


def test_linear_is_the_formula():
    model, x = build("linear", (NUMERIC,)), values((NUMERIC,))
    kernel, bias = (np.asarray(w) for w in model.layers[-1].weights)
    np.testing.assert_allclose(model(x), 1 / (1 + np.exp(-(x @ kernel + bias))), rtol=1e-5)


@pytest.mark.parametrize("most", [0, 2**20])
def test_linear_on_tokens_reads_their_shares(most, monkeypatch):
    monkeypatch.setattr(_inputs, "MAX_ONE_HOT_NUMBERS", most)
    model, x = build("linear", (TOKENS,), head=None), values((TOKENS,))
    kernel, bias = (np.asarray(w) for w in model.layers[-1].weights)
    shares = np.stack([np.bincount(row, minlength=11) / 7 for row in x])
    np.testing.assert_allclose(model(x), shares @ kernel + bias, rtol=1e-4, atol=1e-6)


def test_wide_part_is_linear_in_what_comes_in():
    model, x = build("wide_and_deep", INPUTS["mixed"], head=None, units=[4]), values(INPUTS["mixed"])
    kernel, bias = (np.asarray(w) for w in model.get_layer("head").weights)
    kernel[-4:] = 0
    model.get_layer("head").set_weights([kernel, bias])
    codes = x["categorical"]
    wide = np.concatenate([x["numeric"], np.eye(4)[codes[:, 0]], np.eye(30)[codes[:, 1]]], axis=1)
    np.testing.assert_allclose(model(x), wide @ kernel[:-4] + bias, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (6, 5), (7, 9), (4, 4)])
def test_unet_gives_each_pixel_an_output_at_any_size(size):
    image = (InputSpec("image", "image", (*size, 2)),)
    target = TargetSpec("multiclass", ("a", "b", "c"), 3, size)
    model = build("unet_small", image, target, "softmax", filters=[2, 3, 4])
    output = np.asarray(model(values(image)))
    assert output.shape == (6, *size, 3)
    np.testing.assert_allclose(output.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (BINARY, "one label for each image"),
        (TargetSpec("binary", ("a", "b"), 1, (3, 3)), r"labels of shape \[3, 3\]"),
    ],
)
def test_unet_refuses_labels_that_are_not_per_pixel(target, says):
    with pytest.raises(
        UserError, match=rf"an output for each pixel \[6, 5\]; the data has {says}. Try model=cnn"
    ):
        build("unet_small", (IMAGE,), target)


def test_resnet_halves_the_image_at_each_stage_but_the_first():
    model = build("resnet_small", (InputSpec("image", "image", (16, 16, 1)),), filters=[2, 4, 8], blocks=2)
    shapes = [model.get_layer(f"stage_{s}_block_2").output.shape[1:] for s in (1, 2, 3)]
    assert shapes == [(16, 16, 2), (8, 8, 4), (4, 4, 8)]


def test_resnet_block_without_change_is_its_input_when_its_kernels_are_zero():
    model = build("resnet_small", (IMAGE,), filters=[2], batch_norm=False)
    for layer in model.layers:
        if layer.name.startswith("stage_1_block_1_"):
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    inner = keras.Model(
        model.input, [model.get_layer("stem").output, model.get_layer("stage_1_block_1").output]
    )
    before, after = inner(values((IMAGE,)))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", ["recurrent", "transformer_small"])
def test_padding_is_skipped_on_request(name):
    x = values((TOKENS,))
    x[:, 4:] = 0
    x[0] = 0
    for mask_zero in (True, False):
        model = build(name, (TOKENS,), mask_zero=mask_zero)
        before = np.asarray(model(x))
        assert np.isfinite(before).all()
        table = model.get_layer("tokens_embedding")
        rows = table.get_weights()[0]
        rows[0] = 3 * np.random.default_rng(2).normal(size=rows.shape[1])
        table.set_weights([rows])
        # An example that is nothing but padding may say anything, as long as it is a number.
        assert np.allclose(before[1:], np.asarray(model(x))[1:], atol=1e-6) == mask_zero


@pytest.mark.parametrize("name", ["recurrent", "transformer_small"])
def test_order_of_tokens_matters_and_to_an_mlp_it_does_not(name):
    x = values((TOKENS,))
    for model, same in ((build(name, (TOKENS,)), False), (build("mlp", (TOKENS,)), True)):
        assert np.allclose(model(x), model(x[:, ::-1].copy()), atol=1e-6) == same


def test_dropout_acts_in_training_only():
    model, x = build("mlp", (NUMERIC,), dropout=0.5), values((NUMERIC,))
    assert np.array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x, training=True))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mlp", "numeric"), ("cnn", "image"), ("transformer_small", "tokens"), ("mlp", "image")],
)
def test_head_is_float32_in_mixed_precision(name, kind, mixed_precision):
    target, head = TARGETS["mask" if (name, kind) == ("mlp", "image") else "binary"]
    model = build(name, INPUTS[kind], target, head)
    assert model.layers[-1].compute_dtype == "float32" and model(values(INPUTS[kind])).dtype == "float32"
    assert any(layer.compute_dtype == "float16" for layer in model.layers)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "recurrent", "kind": "lsmt"}, r"model\.kind: .*Did you mean lstm\?"),
        ({"name": "recurrent", "units": []}, r"model\.units: expected the width of at least one"),
        (
            {"name": "transformer_small", "width": 10, "heads": 4},
            r"model\.width: expected a multiple of model\.heads=4, got 10",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, says):
    with pytest.raises(UserError, match=says):
        build(inputs=(TOKENS,), **arguments)
