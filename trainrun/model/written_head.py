"""Whether a model that is written down, in YAML or in a .keras file, ends in probabilities: known before Keras is imported.

`output_kind` finds the same in the graph of a model that is built, which has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Activations, layers and operations (by name, in lower case) whose values are in [0, 1].
PROBABILITY_FUNCTIONS = ("sigmoid", "softmax", "hard_sigmoid", "sparsemax", "sparse_sigmoid", "hardsigmoid")
# Layers and operations that keep the values of their input, in another shape or dtype.
VALUE_PRESERVING = ("activation", "reshape", "flatten", "permute", "transpose", "squeeze", "expanddims", "cast", "dropout", "identity")  # fmt: skip

# Activations, besides those, of a layer that is meant as the head.
OF_HEADS = ("linear", "softplus")


def of_layers(layers: Sequence[Any], units: int) -> bool | None:
    """Return whether a list of layers ends in probabilities; None if it has no head of its own, or if that cannot be determined.

    Args:
        layers: mappings with `name`, as `model.layers` has them.
        units: of the head that the data needs.
    """
    nodes = [node for node in layers if isinstance(node, Mapping)]
    # What a layer with inputs of its own takes is not the one before it.
    begin = max((i for i, node in enumerate(nodes) if node.get("inputs")), default=0)
    wide = next((node.get("units") for node in reversed(nodes[begin:]) if "units" in node), None)
    if len(nodes) != len(layers) or wide != units:
        return None
    for node in reversed(nodes[begin:]):
        kind, activation = str(node.get("name")).lower(), _text(node.get("activation"))
        probabilities = _gives_probabilities(kind, activation or ("linear" if kind == "dense" else None))
        if probabilities is False and activation not in (None, *OF_HEADS):
            return None
        if probabilities is not None or kind not in VALUE_PRESERVING:
            return probabilities
    return None


def of_file(config: Mapping[str, Any]) -> bool | None:
    """Return whether the model of a .keras file ends in probabilities; None if its config does not determine it.

    Args:
        config: as `keras_file.read` returns it.
    """
    sequential, listed = config.get("class_name") == "Sequential", _inside(config).get("layers")
    if not isinstance(listed, list) or not (sequential or config.get("class_name") == "Functional"):
        return None
    layers = [node for node in listed if isinstance(node, Mapping)]
    named = {name: node for node in layers if isinstance(name := _name(node), str)}
    last: Any = _name(layers[-1]) if layers else None
    if not sequential:
        outputs = _inside(config).get("output_layers")
        last = outputs[0] if isinstance(outputs, list) and outputs else None
        last = last[0] if isinstance(last, list) and len(outputs) == 1 else last
    for _ in layers:
        node = named.get(last) if isinstance(last, str) else None
        if node is None or not str(node.get("module")).startswith("keras"):
            return None
        if node.get("class_name") in ("Sequential", "Functional"):
            return of_file(node)
        kind = str(node.get("class_name")).lower()
        probabilities = _gives_probabilities(kind, _text(_inside(node).get("activation")))
        if probabilities is not None or kind not in VALUE_PRESERVING:
            return probabilities
        before = list(_histories(node.get("inbound_nodes")))
        if sequential:
            before = [_name(layers[layers.index(node) - 1])]
        last = before[0] if len(before) == 1 else None
    return None


def _gives_probabilities(kind: str, activation: str | None) -> bool | None:
    if kind in PROBABILITY_FUNCTIONS or activation in PROBABILITY_FUNCTIONS:
        return True
    return (
        False if activation is not None and (kind not in VALUE_PRESERVING or activation != "linear") else None
    )


def _text(activation: Any) -> str | None:
    """Return the name of an activation: a text, or a function as Keras writes it."""
    if isinstance(activation, Mapping):
        activation = activation.get("config")
    return activation if isinstance(activation, str) else None


def _name(node: Mapping[str, Any]) -> Any:
    return _inside(node).get("name") or node.get("name")


def _inside(node: Mapping[str, Any]) -> Mapping[str, Any]:
    inside = node.get("config")
    return inside if isinstance(inside, Mapping) else {}


def _histories(tree: Any) -> list[str]:
    """Return the names of the layers whose outputs a node takes."""
    if isinstance(tree, Mapping):
        history = tree.get("keras_history")
        if isinstance(history, list) and history:
            return [str(history[0])]
        return [name for value in tree.values() for name in _histories(value)]
    return [name for value in tree for name in _histories(value)] if isinstance(tree, list) else []
