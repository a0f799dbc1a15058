"""A network written as a list of layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from examples import BINARY, IMAGE, INPUTS, MASK, MULTICLASS, NUMERIC, TOKENS, values

from trainrun.errors import UserError
from trainrun.registry.construct import construct

HIDDEN = {"name": "Dense", "units": 4, "activation": "relu"}


def build(inputs, layers, target=MULTICLASS, head="softmax", **arguments):
    return construct(
        "model", {"name": "layers", "layers": layers, **arguments}, inputs=inputs, target=target, head=head
    )


def names(model):
    return [type(layer).__name__ for layer in model.layers]


def test_head_is_added_with_the_datas_size():
    model = build((NUMERIC,), [HIDDEN])
    assert names(model) == ["InputLayer", "Dense", "Dense"] and model.output_shape == (None, 3)
    assert model.layers[-1].activation.__name__ == "softmax" and model.count_params() == 4 * 4 + 5 * 3


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_list_that_ends_as_the_data_needs_is_left_alone(activation):
    model = build((NUMERIC,), [HIDDEN, {"name": "Dense", "units": 3, "activation": activation}])
    assert names(model) == ["InputLayer", "Dense", "Dense"]
    assert model.layers[-1].activation.__name__ == (activation or "linear")


def test_hidden_layer_of_the_same_size_is_no_head():
    assert len(build((NUMERIC,), [{**HIDDEN, "units": 3}]).layers) == 3
    assert len(build((NUMERIC,), [{**HIDDEN, "units": 3}], add_head=False).layers) == 2
    assert len(build((NUMERIC,), [{"name": "Dense", "units": 3}], add_head=True).layers) == 3


def test_images_go_in_as_images_and_are_flattened_for_the_head():
    model = build((IMAGE,), [{"name": "Conv2D", "filters": 2, "kernel_size": 3}])
    assert names(model) == ["InputLayer", "Conv2D", "Flatten", "Dense"] and model(values((IMAGE,))).shape == (
        6,
        3,
    )


def test_convolutions_can_label_each_pixel():
    layers = [{"name": "Conv2D", "filters": 1, "kernel_size": 3, "padding": "same", "activation": "sigmoid"}]
    assert build((IMAGE,), layers, MASK, "sigmoid").output_shape == (None, 6, 5, 1)
    assert len(build((IMAGE,), layers, MASK, "sigmoid").layers) == 2


def test_tokens_go_into_an_embedding_as_they_are():
    layers = [{"name": "Embedding", "input_dim": 11, "output_dim": 3}, {"name": "GRU", "units": 4}]
    model = build((TOKENS,), layers, BINARY, "sigmoid")
    assert names(model)[1:3] == ["Embedding", "GRU"] and model(values((TOKENS,))).shape == (6, 1)


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_goes_in(kind):
    layers = [{"name": "Flatten"}, HIDDEN]
    assert build(INPUTS[kind], layers)(values(INPUTS[kind])).shape == (6, 3)


def test_layers_take_regularizers_and_seeds_of_their_own():
    model = build(
        (NUMERIC,),
        [{**HIDDEN, "kernel_regularizer": {"name": "l2", "l2": 0.5}, "kernel_initializer": "ones"}],
    )
    assert float(sum(model.losses)) == pytest.approx(0.5 * 12)


def test_no_layers_is_the_head_alone():
    assert build((NUMERIC,), []).count_params() == 12


def test_saved_and_loaded_it_predicts_the_same(tmp_path):
    model, x = build(INPUTS["mixed"], [HIDDEN]), values(INPUTS["mixed"])
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras")(x), model(x))


@pytest.mark.parametrize(
    ("layers", "arguments", "says"),
    [
        (
            [HIDDEN, {"name": "Conv2D", "filters": 2, "kernel_size": 3}],
            {},
            r"model\.layers\[1\]: Conv2D cannot take \[batch, 4\]",
        ),
        (
            [{"name": "Reshape", "target_shape": [7]}],
            {},
            r"model\.layers\[0\]: Reshape cannot take \[batch, 3\]",
        ),
        (
            [HIDDEN],
            {"add_head": False},
            r"model\.layers: the list ends with \[batch, 4\]; the data needs \[batch, 3\]",
        ),
        ([HIDDEN], {"add_head": "maybe"}, r"model\.add_head: expected true, false or null"),
        ([{"name": "Dens", "units": 3}], {}, r"no 'Dens' to choose\. Did you mean Dense\?"),
        ([{"name": "Lambda", "function": "x"}], {}, "Python code"),
    ],
)
def test_faults_name_the_layer(layers, arguments, says):
    with pytest.raises(UserError, match=says):
        build((NUMERIC,), layers, **arguments)
