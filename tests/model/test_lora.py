"""Adapters, held to Keras' own `enable_lora`."""

from __future__ import annotations

import zipfile

import keras
import numpy as np
import pytest

from trainrun.errors import UserError
from trainrun.model import freezing, lora, saving, variable_paths

X = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
SETTINGS = {"rank": 2, "layers": "attention/(query|value)", "alpha": 4.0}


def model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 8))
    x = keras.layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = keras.layers.Dense(4, name="hidden")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


def trained(model):
    keras.utils.set_random_seed(2)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(X, np.ones((16, 2)), batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model.predict(X, verbose=0)


def with_adapters(**settings):
    ours = model()
    freezing.apply(ours, [], lora.apply(ours, SETTINGS | settings))
    return ours


def test_adapters_and_output_layer_are_trained_as_by_keras():
    ours, plain = with_adapters(), model()
    attention = plain.get_layer("attention")
    keras.utils.set_random_seed(3)
    for layer in (attention.query_dense, attention.value_dense):
        layer.enable_lora(2, lora_alpha=4.0)
    for layer in keras.tree.flatten([attention.query_dense, attention.value_dense]):
        layer.bias.trainable = False
    for layer in (attention.key_dense, attention.output_dense, plain.get_layer("hidden")):
        layer.trainable = False
    plain.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours.predict(X, verbose=0), model().predict(X, verbose=0))  # at the start
    np.testing.assert_allclose(trained(ours), trained(plain), rtol=1e-6)
    states = {row.path: row.state for row in freezing.rows(ours)}
    assert {path for path, state in states.items() if state == "trained"} == {
        *(f"attention/{layer}/lora_kernel_{letter}" for layer in ("query", "value") for letter in "ab"),
        "head/kernel",
        "head/bias",
    }


def test_merged_and_unmerged_files_predict_the_same(tmp_path):
    ours = with_adapters()
    expected = trained(ours)
    saving.save(keras.Model(ours.inputs, ours.outputs), tmp_path / "model.keras")
    merged = keras.models.load_model(tmp_path / "model.keras")
    assert [w.path for w in merged.weights] == [w.path for w in model().weights]
    np.testing.assert_array_equal(merged.predict(X, verbose=0), expected)
    lora.save(ours, tmp_path / "adapters.npz")
    unmerged = with_adapters(weights=str(tmp_path / "adapters.npz"))  # on the same initial weights
    np.testing.assert_array_equal(unmerged.predict(X, verbose=0), expected)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(
        UserError,
        match=r"model.lora.layers: 'atention/.*' matches no layer .* These are attention/query, attention/key",
    ):
        with_adapters(layers="atention/.*")
    lora.save(with_adapters(), tmp_path / "adapters.npz")
    with pytest.raises(UserError, match=r"attention/query/lora_kernel_a .* is not 8×2×3 numbers"):
        with_adapters(rank=3, weights=str(tmp_path / "adapters.npz"))
    np.savez(
        tmp_path / "objects.npz", **{w.path: np.array([{}]) for w in variable_paths.weights(with_adapters())}
    )
    with pytest.raises(UserError, match=r"is damaged: .*allow_pickle=False"):
        with_adapters(weights=str(tmp_path / "objects.npz"))
    np.savez_compressed(tmp_path / "cut.npz", **np.load(tmp_path / "adapters.npz"))
    content = bytearray((tmp_path / "cut.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "cut.npz") as archive:
        entry = archive.getinfo("attention/query/lora_kernel_a.npy")
    at = entry.header_offset + 30 + len(entry.filename)
    content[at + 20 : at + entry.compress_size + 20] = b"\xff" * entry.compress_size
    (tmp_path / "cut.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"cut.npz is damaged"):
        with_adapters(weights=str(tmp_path / "cut.npz"))
