"""A model from a file: held against the data, and never run as code."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from examples import BINARY, INPUTS, MULTICLASS, NUMERIC, values

from trainrun.errors import UserError
from trainrun.registry.construct import construct


def build(name, inputs=(NUMERIC,), target=BINARY, head="sigmoid", **arguments):
    return construct("model", {"name": name, **arguments}, inputs=inputs, target=target, head=head)


@pytest.mark.parametrize("kind", ["numeric", "mixed"])
def test_loads_what_was_saved(kind, tmp_path):
    model, x = build("mlp", INPUTS[kind]), values(INPUTS[kind])
    model.save(tmp_path / "m.keras")
    loaded = build("file", INPUTS[kind], path=str(tmp_path / "m.keras"))
    np.testing.assert_array_equal(loaded(x), model(x))
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


def test_compiled_models_load_too_and_can_be_frozen(tmp_path):
    model = build("mlp")
    model.compile("adam", "binary_crossentropy")
    model.fit(values((NUMERIC,)), np.ones((6, 1)), verbose=0)
    model.save(tmp_path / "m.keras")
    assert build("file", path=str(tmp_path / "m.keras"), trainable=False).trainable_weights == []


def test_our_own_layers_are_known(tmp_path):
    data = construct("data", "none")
    model = build("quadratic", data.inputs, data.target, None, start=3.0)
    model.save(tmp_path / "f.keras")
    assert np.array_equal(
        build("file", data.inputs, data.target, None, path=str(tmp_path / "f.keras"))(data.train.x), [[4.0]]
    )


def test_code_is_refused_and_not_run(tmp_path):
    inputs = keras.Input((3,))
    x = keras.layers.Lambda(lambda v: v * 2, name="twice")(inputs)
    keras.Model(inputs, keras.layers.Dense(1)(x)).save(tmp_path / "code.keras")
    with pytest.raises(
        UserError, match=r"model\.path: .*code\.keras holds Python code in the Lambda layer twice"
    ):
        build("file", path=str(tmp_path / "code.keras"))


def test_unknown_layers_are_refused(tmp_path):
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(1)(Own()(inputs))).save(tmp_path / "own.keras")
    with pytest.raises(UserError, match=r"model\.path: .* holds .*Own, which is no layer of Keras.*plugins="):
        build("file", path=str(tmp_path / "own.keras"))


@pytest.mark.parametrize(
    ("target", "inputs", "says"),
    [
        (MULTICLASS, (NUMERIC,), r"gives \[1\] for an example; the data needs \[3\] \(3 classes\)"),
        (BINARY, INPUTS["image"], r"takes image of shape \[3\]; the data has image \[6, 5, 1\]"),
        (BINARY, INPUTS["mixed"], r"takes 1 inputs; the data has 2 \(numeric, categorical\)"),
    ],
)
def test_model_for_other_data_is_refused(target, inputs, says, tmp_path):
    build("mlp").save(tmp_path / "m.keras")
    with pytest.raises(UserError, match=says):
        build("file", inputs, target, path=str(tmp_path / "m.keras"))


def test_files_that_are_no_models_are_refused(tmp_path):
    whole = tmp_path / "whole.keras"
    build("mlp").save(whole)
    (tmp_path / "cut.keras").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "old.h5").write_bytes(b"x")
    for path, says in (
        (None, "expected a run or a file, got null"),
        (tmp_path / "hole.keras", "there is no file .*Did you mean whole.keras"),
        (tmp_path, "is a folder, and no run's"),
        (tmp_path / "old.h5", "expected a run, or a file ending in .keras, got old.h5"),
        (tmp_path / "text.keras", "is no Keras model, or is damaged"),
        (tmp_path / "cut.keras", "is no Keras model, or is damaged"),
    ):
        with pytest.raises(UserError, match=r"^model\.path: .*" + says):
            build("file", path=None if path is None else str(path))
