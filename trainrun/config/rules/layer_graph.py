"""The graph of `model=layers`: each layer's inputs exist before it, are as many as it takes, and every layer is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry.construct import resolve
from trainrun.util.patterns import listed

# Keras' layers of several inputs -> the smallest and largest number of them (None: any).
MERGING: Mapping[str, tuple[int, int | None]] = {
    **dict.fromkeys(("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply"), (2, None)),
    **dict.fromkeys(("Dot", "Subtract"), (2, 2)),
    **dict.fromkeys(("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"), (2, 3)),
}


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield what is wrong with names, inputs and heads of a model's layers; names of the data's inputs are not known yet."""
    model = config.get("model") or {}
    if not isinstance(model.get("layers"), list):
        return
    layers = [spec if isinstance(spec, Mapping) else {"name": spec} for spec in model["layers"]]
    if model.get("name") != "layers":
        for i, spec in enumerate(layers):
            for key in spec.keys() & {"inputs", "layer_name"}:
                yield Problem(f"model.layers[{i}].{key}", "only model=layers connects layers by name.")
        return
    names: dict[str, int] = {}
    for i, spec in enumerate(layers):
        if isinstance(name := spec.get("layer_name"), str):
            names.setdefault(name, i)
    heads = model["heads"] if isinstance(model.get("heads"), Mapping) else {}
    faults = [*_of_names(layers, names), *_of_heads(heads, names, data)]
    faults += [problem for i, spec in enumerate(layers) for problem in _of_inputs(i, spec, names)]
    # Which layers are used is known only of a graph without faults.
    yield from faults or _unused(layers, names, heads, data)


def _of_names(layers: list[Any], names: Mapping[str, int]) -> Iterator[Problem]:
    """Yield the names that two layers have, or that Keras does not allow."""
    for i, spec in enumerate(layers):
        name, key = spec.get("layer_name"), f"model.layers[{i}].layer_name"
        if isinstance(name, str) and names[name] != i:
            yield Problem(key, f"layer {names[name]} has the name {name}, too. Name them differently.")
        elif isinstance(name, str) and ("/" in name or not name):
            yield Problem(key, f"expected a name without /, got {name!r}.")


def _of_heads(heads: Mapping[str, Any], names: Mapping[str, int], data: Description) -> Iterator[Problem]:
    """Yield the heads of no output, or on no layer."""
    for output, layer in heads.items():
        key = f"model.heads.{output}"
        if not isinstance(layer, str):
            yield Problem(key, f"expected the layer_name of one layer, got {layer!r}.")
        elif layer not in names:
            text = f"there is no layer {layer!r}.{did_you_mean(str(layer), names)} Layers are named by layer_name."
            yield Problem(key, text)
        if data.target is not None and output not in data.named:
            has = ", ".join(data.named) or "one, whose head takes the last layer"
            text = f"the data has no such output.{did_you_mean(str(output), data.named)} It has {has}."
            yield Problem(key, text)


def _of_inputs(i: int, spec: Mapping[str, Any], names: Mapping[str, int]) -> Iterator[Problem]:
    """Yield what is wrong with the inputs of a layer: their order and their number."""
    key, inputs = f"model.layers[{i}].inputs", listed(spec.get("inputs"))
    for name in inputs:
        if names.get(name, -1) >= i:
            which = "itself" if names[name] == i else f"the later layer {names[name]}"
            yield Problem(
                key,
                f"{name} is {which}; a layer takes earlier ones, so that there is no cycle. Move it behind its inputs.",
            )
    if "inputs" in spec and spec["inputs"] is not None and not inputs:
        yield Problem(
            key,
            "expected the name of a layer or of an input of the data, or several. Without it, the layer takes the one before.",
        )
        return
    try:
        component = resolve("layer", spec)[0]
    except UserError:  # reported by the rules of components
        return
    if component.origin != "keras":
        return
    least, most = MERGING.get(component.attribute, (1, 1))
    count = len(inputs) or 1
    if count < least:
        yield Problem(
            key,
            f"{component.attribute} takes {'two' if most == 2 else 'two or more'} inputs, got {count}. "
            "Name them: inputs: [a, b], by layer_name or as inputs of the data.",
        )
    elif most is not None and count > most:
        way_out = "Join them before: {name: Concatenate, inputs: […]}." if most == 1 else "Leave some out."
        yield Problem(
            key,
            f"{component.attribute} takes {('one input', 'two inputs', 'three inputs')[most - 1]}, got {count}. {way_out}",
        )


def _unused(
    layers: list[Any], names: Mapping[str, int], heads: Mapping[str, str], data: Description
) -> Iterator[Problem]:
    """Yield the layers that lead to no head."""
    waiting = [names[layer] for layer in heads.values()]
    if not heads or data.named.keys() - heads.keys():
        waiting.append(len(layers) - 1)
    used: set[int] = set()
    while waiting:
        i = waiting.pop()
        if i < 0 or i in used:
            continue
        used.add(i)
        inputs = listed(layers[i].get("inputs"))
        waiting += [names[name] for name in inputs if name in names] if inputs else [i - 1]
    for i, spec in enumerate(layers):
        if i not in used:
            shown = spec.get("layer_name") or spec.get("name")
            yield Problem(
                f"model.layers[{i}]",
                f"{shown} is unused: it leads to no head. Name it in the inputs of a later layer, or remove it.",
            )
