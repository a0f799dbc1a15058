"""The graph of `model=layers` is checked before TensorFlow is loaded."""

from __future__ import annotations

import pytest

from trainrun.config.rules import layer_graph
from trainrun.data.dataset import Description


def dense(name, *inputs):
    return {"name": "Dense", "units": 4, "layer_name": name} | ({"inputs": [*inputs]} if inputs else {})


def faults(layers, heads=None, outputs=(), name="layers"):
    data = Description(target="named" if outputs else "real", named={k: Description() for k in outputs})
    config = {"model": {"name": name, "layers": layers, "heads": heads}}
    return [f"{p.key}: {p.message}" for p in layer_graph.problems(config, data)]


DIAMOND = [dense("a"), dense("b", "a"), dense("c", "a"), {"name": "add", "inputs": ["b", "c"]}]


def test_graphs_without_fault():
    assert faults(DIAMOND) == [] == faults(["Flatten", {"name": "Dense", "units": 3}])
    assert faults([dense("a"), dense("b", "a"), dense("c", "a")], {"y": "b", "z": "c"}, ("y", "z")) == []
    assert faults([dense("a"), dense("b", "a"), dense("c", "a")], {"y": "b"}, ("y", "z")) == []
    # A name that no layer has may be an input of the data.
    assert faults([dense("a", "numeric"), {"name": "Dot", "axes": 1, "inputs": ["a", "image"]}]) == []


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([dense("a"), dense("a")], "layers[1].layer_name: layer 0 has the name a, too"),
        ([dense("a/b")], "layers[0].layer_name: expected a name without /"),
        ([dense("a", "c"), dense("b", "a"), dense("c", "b")], "layers[0].inputs: c is the later layer 2"),
        ([dense("a", "a")], "layers[0].inputs: a is itself"),
        ([dense("a"), {"name": "Add"}], "layers[1].inputs: Add takes two or more inputs, got 1"),
        ([dense("a"), {"name": "Concatenate", "inputs": "a"}], "layers[1].inputs: Concatenate takes two or"),
        ([dense("a"), {"name": "Dot", "axes": 1, "inputs": ["a"] * 3}], "Dot takes two inputs, got 3"),
        ([dense("a"), dense("b"), dense("c", "a", "b")], "Dense takes one input, got 2. Join them before"),
        ([dense("a"), {**dense("b"), "inputs": []}], "layers[1].inputs: expected the name of a layer"),
        ([dense("a"), dense("b"), dense("c", "a")], "layers[1]: b is unused"),
    ],
)
def test_faults_name_the_layer(layers, says):
    (fault,) = faults(layers)
    assert says in fault


def test_heads_name_outputs_and_layers():
    two = [dense("left"), dense("right", "left")]
    assert "Did you mean churn?" in faults(two, {"chrun": "right"}, ("churn", "spend"))[0]
    assert "Did you mean left?" in faults(two, {"churn": "lefft"}, ("churn", "spend"))[0]
    assert "the data has no such output" in faults(two, {"churn": "right"})[0]
    assert "expected the layer_name of one layer" in faults(two, {"churn": ["left"]}, ("churn", "spend"))[0]
    assert "right is unused" in faults(two, {"churn": "left", "spend": "left"}, ("churn", "spend"))[0]
    assert "only model=layers" in faults([dense("a")], name="mine")[0]
