"""A network written as a list of layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from examples import BINARY, CATEGORICAL, IMAGE, INPUTS, MASK, MULTICLASS, NUMERIC, TOKENS, values

from trainrun.data.dataset import TargetSpec
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


# Two towers on a common layer, joined with the image's own vector, and a head on a tower and on the last layer.
GRAPH = [
    {"name": "Flatten", "layer_name": "pixels", "inputs": "image"},
    {"name": "Dense", "layer_name": "left", "units": 4, "activation": "relu", "inputs": ["numeric"]},
    {"name": "Dense", "layer_name": "right", "units": 4, "inputs": ["pixels"]},
    {"name": "Add", "layer_name": "both", "inputs": ["left", "right"]},
    {"name": "Concatenate", "inputs": ["both", "pixels"]},
    {"name": "Dense", "units": 5, "activation": "tanh"},
]


def test_layers_connected_by_names_are_the_functional_model_written_by_hand():
    target = TargetSpec("named", named={"churn": BINARY, "kind": MULTICLASS})
    head = {"churn": "sigmoid", "kind": "softmax"}
    keras.utils.set_random_seed(3)
    model = build((NUMERIC, IMAGE), GRAPH, target, head, heads={"churn": "left"})
    keras.utils.set_random_seed(3)
    numeric, image = keras.Input((3,), name="numeric"), keras.Input((6, 5, 1), name="image")
    pixels = keras.layers.Flatten()(image)
    left = keras.layers.Dense(4, activation="relu")(numeric)
    both = keras.layers.Add()([left, keras.layers.Dense(4)(pixels)])
    last = keras.layers.Dense(5, activation="tanh")(keras.layers.Concatenate()([both, pixels]))
    churn = keras.layers.Dense(1, activation="sigmoid")(left)
    ends = {"churn": churn, "kind": keras.layers.Dense(3, activation="softmax")(last)}
    by_hand = keras.Model({"numeric": numeric, "image": image}, ends)
    x = values((NUMERIC, IMAGE))
    for name, expected in by_hand(x).items():
        np.testing.assert_array_equal(model(x)[name], expected)
    assert model.get_layer("left").kernel.path == "left/kernel"
    assert {w.shape for w in model.weights} == {w.shape for w in by_hand.weights}


def test_attention_takes_query_and_value_by_name_and_codes_are_encoded_for_what_is_no_embedding():
    layers = [
        {"name": "Embedding", "layer_name": "words", "input_dim": 11, "output_dim": 4, "inputs": "tokens"},
        {"name": "MultiHeadAttention", "num_heads": 1, "key_dim": 2, "inputs": ["words", "words"]},
        {"name": "GlobalAveragePooling1D", "layer_name": "text"},
        {"name": "Dense", "layer_name": "columns", "units": 4, "inputs": "categorical"},
        {"name": "Multiply", "inputs": ["text", "columns"]},
    ]
    model = build((TOKENS, CATEGORICAL), layers)
    assert model.get_layer("columns").kernel.shape[0] > 2
    assert model(values((TOKENS, CATEGORICAL))).shape == (6, 3)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({1: {"inputs": ["numerik"]}}, r"layers\[1\]\.inputs: there is no layer .*Did you mean numeric\?"),
        ({1: {"inputs": ["dense"]}}, r"layers\[1\]\.inputs: there is no layer"),
        ({1: {"inputs": ["pixels"]}}, r"model\.layers: no layer takes the data's input numeric"),
        ({1: {"layer_name": "image"}}, r"layers\[1\]\.layer_name: the data has an input image, too"),
        ({2: {"units": 7}}, r"layers\[3\]: Add cannot take \[batch, 4\] and \[batch, 7\]"),
        ({5: {"layer_name": "head"}}, r"model\.layers: .*head.*layer_name"),
    ],
)
def test_faults_of_a_graph_name_the_layer(changed, says):
    layers = [{**spec, **changed.get(i, {})} for i, spec in enumerate(GRAPH)]
    with pytest.raises(UserError, match=says):
        build((NUMERIC, IMAGE), layers)


def test_a_head_is_of_an_output_that_the_data_has():
    target = TargetSpec("named", named={"churn": BINARY})
    for of_data, head in ((target, {"churn": "sigmoid"}), (MULTICLASS, "softmax")):
        with pytest.raises(UserError, match=r"model\.heads"):
            build((NUMERIC, IMAGE), GRAPH, of_data, head, heads={"chrun": "left"})
