"""A loss that reads something else than a model of one's own gives is known from YAML or file, before TensorFlow."""

from __future__ import annotations

import keras
import pytest

from trainrun.hydra_bridge import preflight
from trainrun.model import keras_file, output_kind, written_head

CONTRADICTED = "means that the loss reads"
# The last layers of iris' three classes -> what one types, words of the problem (None: there is none).
LAYERS = {
    "{name: Dense, units: 3, activation: softmax}": ("loss.from_logits=true", CONTRADICTED),
    "{name: Dense, units: 3}, {name: Softmax}": ("loss.from_logits=true", CONTRADICTED),
    "{name: Dense, units: 3}, {name: Activation, activation: softmax}": (
        "loss.from_logits=true",
        CONTRADICTED,
    ),
    "{name: Dense, units: 3}": ("loss.from_logits=false", CONTRADICTED),
    "{name: Dense, units: 3, activation: linear}": ("loss.from_logits=true", None),
    # It has no head: one is added as the loss wants it.
    "{name: Dense, units: 3, activation: relu}": ("loss.from_logits=true", None),
    "{name: Dense, units: 8, activation: softmax}": ("loss.from_logits=true", None),
}


@pytest.mark.parametrize("layers", LAYERS)
def test_from_logits_is_held_against_a_list_of_layers(layers, inside):
    override, words = LAYERS[layers]
    overrides = ["data=iris", "model=layers", f"model.layers=[{layers}]", "loss=scce", override]
    problems = preflight.overrides(overrides)[1]
    assert [p.key for p in problems] == ([] if words is None else ["loss.from_logits"])
    assert all(words in p.message for p in problems)
    # A head of ours has no activation of its own.
    if words is not None:
        overrides[-1] = "loss.from_logits=null"
        assert preflight.overrides(overrides)[1] == []


def softmax_at_the_end(z):
    return keras.layers.Reshape((3,))(keras.ops.softmax(z))


ENDS = {
    "softmax": lambda z: keras.layers.Softmax()(z),
    "activation": lambda z: keras.layers.Dense(3, activation="softmax")(z),
    "operation": softmax_at_the_end,
    "nested": lambda z: keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "sigmoid")])(z),
    "logits": lambda z: keras.layers.Dense(3)(z),
    "arithmetic": lambda z: z * 2.0,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_file_tells_what_the_graph_of_its_model_tells(end, inside):
    """Keras wrote the file, and the graph that it builds of it is the reference."""
    i = keras.Input((4,))
    model = keras.Model(i, ENDS[end](keras.layers.Dense(3)(i)))
    model.save("own.keras")
    read = written_head.of_file(keras_file.read(inside / "own.keras")[0])
    assert read == output_kind.is_probabilities(model.outputs[0])
    keras.Sequential([keras.Input((4,)), *[keras.layers.Dense(3), keras.layers.Softmax()]]).save("two.keras")
    assert written_head.of_file(keras_file.read(inside / "two.keras")[0]) is True


def test_from_logits_is_held_against_a_file_by_check(inside):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")]).save("own.keras")
    overrides = ["data=iris", "model=file", "model.path=own.keras", "loss=scce", "loss.from_logits=true"]
    (problem,) = preflight.overrides(overrides)[1]
    assert problem.key == "loss.from_logits" and "model=file gives probabilities" in problem.message
    # A file that is none, or not there, is said by who builds the model.
    (inside / "own.keras").write_text("nothing")
    assert preflight.overrides(overrides)[1] == []
