"""How weights begin, what is added to the loss for them, what they may not exceed: against numpy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from examples import BINARY, IMAGE, INPUTS, NUMERIC, TOKENS, values

from trainrun.data.dataset import InputSpec
from trainrun.errors import UserError
from trainrun.model._weights import Weights, derived_seed
from trainrun.registry.construct import construct

WIDE = (InputSpec("numeric", "numeric", (300,)),)
MODELS = [
    ("linear", "numeric"),
    ("mlp", "numeric"),
    ("sparse_mlp", "numeric"),
    ("cnn", "image"),
    ("resnet_small", "image"),
    ("recurrent", "tokens"),
    ("transformer_small", "tokens"),
    ("wide_and_deep", "numeric"),
]


def build(name, inputs, **arguments):
    return construct("model", {"name": name, **arguments}, inputs=inputs, target=BINARY, head="sigmoid")


def kernels(model):
    """Return the kernels of dense, convolutional, recurrent and attention layers, not of norms and tables."""
    return [w for w in model.trainable_weights if "kernel" in w.path]


def biases(model):
    return [w for w in model.trainable_weights if w.path.endswith("bias")]


def penalty(model, x):
    model(x)
    return float(sum(model.losses))


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        ("glorot_uniform", 2 / (300 + 200)),
        ("glorot_normal", 2 / (300 + 200)),
        ("he_normal", 2 / 300),
        ("he_uniform", 2 / 300),
        ("lecun_normal", 1 / 300),
        ("lecun_uniform", 1 / 300),
        ({"name": "random_normal", "stddev": 0.3}, 0.09),
        ({"name": "random_uniform", "minval": -0.6, "maxval": 0.6}, 0.12),
        ({"name": "variance_scaling", "scale": 3.0, "mode": "fan_out", "distribution": "uniform"}, 3 / 200),
        # A normal cut at two standard deviations keeps 0.774 of its variance.
        ({"name": "truncated_normal", "stddev": 0.3}, 0.09 * 0.774),
    ],
)
def test_variance_is_that_of_the_formula(initializer, variance, seeded):
    kernel = np.asarray(build("mlp", WIDE, units=[200], initializer=initializer).get_layer("hidden_1").kernel)
    assert kernel.shape == (300, 200)
    assert kernel.var() == pytest.approx(variance, rel=0.03) and abs(kernel.mean()) < 4 * np.sqrt(
        variance / kernel.size
    )


@pytest.mark.parametrize(
    ("initializer", "value"), [("zeros", 0.0), ("ones", 1.0), ({"name": "constant", "value": 0.3}, 0.3)]
)
def test_constant_starts(initializer, value):
    assert all(np.allclose(k, value) for k in kernels(build("mlp", (NUMERIC,), initializer=initializer)))


def test_orthogonal_and_identity_starts():
    square = build("mlp", WIDE, units=[300], initializer="orthogonal").get_layer("hidden_1").kernel
    np.testing.assert_allclose(np.asarray(square).T @ np.asarray(square), np.eye(300), atol=1e-4)
    np.testing.assert_array_equal(
        build("mlp", WIDE, units=[300], initializer="identity").get_layer("hidden_1").kernel, np.eye(300)
    )


@pytest.mark.parametrize(("name", "kind"), MODELS)
def test_seeded_start_is_repeated_and_no_two_layers_are_alike(name, kind):
    seed = {"name": "he_normal", "seed": 3}
    first, again, other = (
        build(name, INPUTS[kind], initializer=s) for s in (seed, seed, {**seed, "seed": 4})
    )
    ours = [k for k in kernels(first) if "recurrent_kernel" not in k.path]
    theirs = [k for k in kernels(again) if "recurrent_kernel" not in k.path]
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(kernels(first), kernels(other), strict=True))
    alike = [
        (a.path, b.path)
        for i, a in enumerate(ours)
        for b in ours[:i]
        if a.shape == b.shape and np.array_equal(a, b)
    ]
    assert not alike


def test_both_directions_and_all_projections_begin_differently():
    seed = {"name": "he_normal", "seed": 3}
    both = build("recurrent", (TOKENS,), bidirectional=True, initializer=seed).get_layer("both_1")
    assert not np.array_equal(both.forward_layer.cell.kernel, both.backward_layer.cell.kernel)
    attention = build("transformer_small", (TOKENS,), initializer=seed).get_layer("block_1_attention")
    assert not np.array_equal(attention.query_dense.kernel, attention.key_dense.kernel)


def test_first_layer_begins_as_keras_would_begin_it():
    kernel = (
        build("linear", (NUMERIC,), initializer={"name": "glorot_uniform", "seed": 5})
        .get_layer("head")
        .kernel
    )
    np.testing.assert_array_equal(kernel, keras.initializers.GlorotUniform(seed=5)((3, 1)))


def test_models_begin_with_the_weights_of_plain_keras_and_the_same_seed():
    layers = keras.layers
    keras.utils.set_random_seed(5)
    mlp = build("mlp", (NUMERIC,), units=[6, 5], dropout=0.2, initializer="he_normal")
    keras.utils.set_random_seed(5)
    hidden = [layers.Dense(6, kernel_initializer="he_normal"), layers.Dropout(0.2)]
    hidden += [layers.Dense(5, kernel_initializer="he_normal"), layers.Dropout(0.2)]
    plain = keras.Sequential(
        [keras.Input(NUMERIC.shape), *hidden, layers.Dense(1, kernel_initializer="he_normal")]
    )
    keras.utils.set_random_seed(5)
    written = build(
        "layers", (NUMERIC,), layers=[{"name": "Dense", "units": 6}, {"name": "LayerNormalization"}]
    )
    keras.utils.set_random_seed(5)
    normal = layers.LayerNormalization()
    by_hand = keras.Sequential([keras.Input(NUMERIC.shape), layers.Dense(6), normal, layers.Dense(1)])
    for ours, theirs in ((mlp, plain), (written, by_hand)):
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_unseeded_start_follows_the_runs_seed():
    starts = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        starts.append(build("mlp", (NUMERIC,), units=[4, 4, 4]).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(starts[0], starts[1], strict=True))
    assert not np.array_equal(starts[0][0], starts[2][0])
    assert not np.array_equal(starts[0][2], starts[0][4]), "hidden layers 2 and 3 begin alike"


def test_derived_seeds_differ_and_fit_into_an_int():
    seeds = [derived_seed(7, i) for i in range(50)]
    assert seeds[0] == 7 and len(set(seeds)) == 50 and max(seeds) < 2**31


BY_HAND = {
    "l1": ({"name": "l1", "l1": 0.02}, lambda w: 0.02 * np.abs(w).sum()),
    "l2": ({"name": "l2", "l2": 0.03}, lambda w: 0.03 * (w**2).sum()),
    "l1_l2": (
        {"name": "l1_l2", "l1": 0.1, "l2": 0.2},
        lambda w: 0.1 * np.abs(w).sum() + 0.2 * (w**2).sum(),
    ),
}


@pytest.mark.parametrize(
    ("name", "kind", "option"),
    [*((*m, "l1_l2") for m in MODELS), ("mlp", "numeric", "l1"), ("recurrent", "tokens", "l2")],
)
def test_penalty_is_the_sum_over_all_kernels(name, kind, option):
    regularizer, by_hand = BY_HAND[option]
    extra = {"l1": 0.0} if name == "sparse_mlp" else {}
    model = build(name, INPUTS[kind], regularizer=regularizer, **extra)
    expected = sum(by_hand(np.asarray(k, "float64")) for k in kernels(model))
    assert penalty(model, values(INPUTS[kind])) == pytest.approx(expected, rel=1e-4)


def test_penalty_on_biases():
    model = build("mlp", (NUMERIC,), bias_regularizer={"name": "l2", "l2": 0.5})
    for bias in biases(model):
        bias.assign(np.arange(bias.shape[0]))
    assert len(biases(model)) == 3
    expected = 0.5 * sum((np.arange(n) ** 2).sum() for n in (64, 32, 1))
    assert penalty(model, values((NUMERIC,))) == pytest.approx(expected)


def test_orthogonal_penalty_is_the_mean_cosine_between_rows():
    kernel = build("mlp", INPUTS["numeric"], units=[5], regularizer={"name": "orthogonal", "factor": 0.3})
    expected = 0.0
    for layer in (kernel.get_layer("hidden_1"), kernel.get_layer("head")):
        w = np.asarray(layer.kernel, "float64")
        rows = w / np.linalg.norm(w, axis=1, keepdims=True)
        cosines = np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]
        expected += 0.3 * cosines.mean()
    assert penalty(kernel, values((NUMERIC,))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["cnn", "resnet_small"])
def test_orthogonal_penalty_on_convolutions_is_refused_with_a_message(name):
    with pytest.raises(UserError, match=r"model\.regularizer: orthogonal_regularizer takes matrices.*Try l2"):
        build(name, (IMAGE,), regularizer="orthogonal")


@pytest.mark.parametrize("arguments", [{}, {"batch_norm": True}])
def test_activity_penalty_is_an_examples_over_the_hidden_outputs(arguments):
    model = build(
        "mlp", (NUMERIC,), units=[4, 3], activity_regularizer={"name": "l1", "l1": 0.1}, **arguments
    )
    x = values((NUMERIC,))
    hidden = [layer.output for layer in model.layers if layer.activity_regularizer is not None]
    assert len(hidden) == 2
    outputs = keras.Model(model.input, hidden)(x)
    expected = 0.1 * sum(np.abs(h).sum() for h in outputs) / len(x)
    assert penalty(model, x) == pytest.approx(expected, rel=1e-5)
    assert penalty(model, np.concatenate([x, x])) == pytest.approx(expected, rel=1e-5), "grows with the batch"


def test_activity_penalty_without_hidden_layers_is_the_outputs():
    model = build("linear", (NUMERIC,), activity_regularizer={"name": "l2", "l2": 0.1})
    x = values((NUMERIC,))
    assert penalty(model, x) == pytest.approx(0.1 * (np.asarray(model(x)) ** 2).sum() / len(x), rel=1e-5)


def test_sparse_mlp_adds_its_penalty_to_the_loss():
    model = build("sparse_mlp", (NUMERIC,), units=[5, 4], l1=0.2, l2=0.1)
    x, y = values((NUMERIC,)), np.ones((6, 1), "float32")
    outputs = keras.Model(
        model.input, [model.get_layer("hidden_1").output, model.get_layer("hidden_2").output]
    )(x)
    expected = sum(0.2 * np.abs(h).sum() + 0.1 * np.square(h).sum() for h in map(np.asarray, outputs)) / len(
        x
    )
    assert penalty(model, x) == pytest.approx(expected, rel=1e-5)
    model.compile("sgd", "binary_crossentropy")
    data_loss = -np.log(np.asarray(model(x))).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(data_loss + expected, rel=1e-4)


def test_sparse_mlp_becomes_sparse(seeded):
    x, y = np.tile(values((NUMERIC,), n=64), (60, 1)), np.ones((64 * 60, 1), "float32")
    mean = {}
    for l1 in (0.0, 0.5):
        model = build("sparse_mlp", (NUMERIC,), units=[8], l1=l1)
        model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", jit_compile=False)
        model.fit(x, y, batch_size=64, verbose=0)
        mean[l1] = np.asarray(keras.Model(model.input, model.get_layer("hidden_1").output)(x[:64])).mean()
    assert mean[0.5] < 0.25 * mean[0.0]


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ({"name": "max_norm", "max_value": 0.5}, lambda norms, w: (norms <= 0.5 + 1e-5).all()),
        ("non_neg", lambda norms, w: (w >= 0).all()),
        ("unit_norm", lambda norms, w: np.allclose(norms, 1, atol=1e-4)),
        (
            {"name": "min_max_norm", "min_value": 0.4, "max_value": 0.6},
            lambda norms, w: (norms <= 0.6 + 1e-4).all() and (norms >= 0.4 - 1e-4).all(),
        ),
    ],
)
def test_constraint_holds_after_a_step(constraint, holds, seeded):
    model, x = build("mlp", (NUMERIC,), units=[4], constraint=constraint), values((NUMERIC,))
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", jit_compile=False)
    model.fit(x, np.ones((6, 1), "float32"), batch_size=6, verbose=0)
    for kernel in map(np.asarray, kernels(model)):
        assert holds(np.linalg.norm(kernel, axis=0), kernel)


def test_a_constraint_on_biases_holds_after_a_step(seeded):
    model, x = build("mlp", (NUMERIC,), units=[4], bias_constraint="non_neg"), values((NUMERIC,))
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", jit_compile=False)
    model.fit(x, np.zeros((6, 1), "float32"), batch_size=6, verbose=0)
    assert all((np.asarray(bias) >= 0).all() for bias in biases(model))
    assert any((np.asarray(kernel) < 0).any() for kernel in kernels(model))


def test_weights_take_names_objects_and_nothing():
    dealt = Weights("he_normal", keras.regularizers.L2(0.1), None, "l1", "non_neg").dense()
    assert isinstance(dealt["kernel_initializer"], keras.initializers.HeNormal)
    assert isinstance(dealt["activity_regularizer"], keras.regularizers.L1)
    assert (
        isinstance(dealt["kernel_constraint"], keras.constraints.NonNeg) and dealt["bias_regularizer"] is None
    )
    assert Weights(None).dense()["kernel_initializer"] == "glorot_uniform"
