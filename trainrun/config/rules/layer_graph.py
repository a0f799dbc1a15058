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
    layers, heads = model.get("layers"), model.get("heads") or {}
    if not isinstance(layers, list):
        return
    layers = [spec if isinstance(spec, Mapping) else {"name": spec} for spec in layers]
    if model.get("name") != "layers":
        for i, key in (
            (i, key) for i, spec in enumerate(layers) for key in ("inputs", "layer_name") if key in spec
        ):
            yield Problem(f"model.layers[{i}].{key}", "only model=layers connects layers by name.")
        return
    names: dict[str, int] = {}
    for i, spec in enumerate(layers):
        name = spec.get("layer_name")
        if name in names:
            yield Problem(
                f"model.layers[{i}].layer_name",
                f"layer {names[name]} has the name {name}, too. Name them differently.",
            )
        elif isinstance(name, str):
            if "/" in name or not name:
                yield Problem(f"model.layers[{i}].layer_name", f"expected a name without /, got {name!r}.")
            names[name] = i
    for i, spec in enumerate(layers):
        yield from _inputs_of(i, spec, names)
    if not isinstance(heads, Mapping):
        return
    for output, layer in heads.items():
        if layer not in names:
            text = f"there is no layer {layer!r}.{did_you_mean(str(layer), names)} Layers have their name by layer_name."
            yield Problem(f"model.heads.{output}", text)
        if data.target is not None and output not in data.named:
            has = ", ".join(data.named) or "one, whose head takes the last layer"
            yield Problem(
                f"model.heads.{output}",
                f"the data has no such output.{did_you_mean(str(output), data.named)} It has {has}.",
            )
    if all(layer in names for layer in heads.values()):
        ends = {names[layer] for layer in heads.values()}
        if not heads or not data.named or data.named.keys() - heads.keys():
            ends.add(len(layers) - 1)
        yield from _unused(layers, names, ends)


def _inputs_of(i: int, spec: Mapping[str, Any], names: Mapping[str, int]) -> Iterator[Problem]:
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


def _unused(layers: list[Any], names: Mapping[str, int], ends: set[int]) -> Iterator[Problem]:
    """Yield the layers that no other layer and no head takes.

    Args:
        layers, names: specs, and the index of each name.
        ends: indices of the layers that the heads take.
    """
    used: set[int] = set()
    waiting = list(ends)
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
