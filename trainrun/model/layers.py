"""A network defined in YAML: a list of Keras layers, in sequence or connected by names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.model import output_kind
from trainrun.model._blocks import output_layer
from trainrun.model._inputs import Pair, flatten_inputs, input_tensors
from trainrun.model._weights import Weights
from trainrun.model.written_head import OF_HEADS
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
    inputs=("numeric", "categorical", "image", "tokens"),
    states_output=True,
)
def layers(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: Any,
    *,
    layers: Sequence[keras.Layer],
    add_head: bool | None = None,
    heads: Mapping[str, str] | None = None,
    output: Literal["probabilities", "logits", "scores"] | None = None,
) -> keras.Model:
    """Build a network of layers, each on the one before it or on the inputs that it names.

    A layer's own name is its `layer_name`; `inputs` are names of earlier layers and of the data's inputs, several for a layer
    that merges them (`Add`, `Concatenate`, `Attention`). A single input is passed unchanged (an image as an image, tokens as ids for an `Embedding`). Several inputs, and tokens
    or categories where the first layer is not an `Embedding`, are encoded and concatenated to vectors.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer, if one is added; of several outputs, a dict by name.
        layers: the layers, as Keras objects.
        add_head: add a dense output layer of the size that the data requires. Default None: unless the last layer's
            output has that shape and its activation is none, softmax, sigmoid or softplus. Several outputs have a head each.
        heads: output -> `layer_name` of the layer that its head takes, for data with several outputs; default: the last layer.
        output: what the model predicts for classes: ``probabilities``, ``logits`` or ``scores``; default None: inferred
            from the graph. Used by the run, not by this function.

    Raises:
        UserError: a layer does not accept its inputs, an input does not exist, or the last output has the wrong shape.
    """
    if add_head not in (True, False, None):
        raise UserError(Problem("model.add_head", f"expected true, false or null, got {add_head!r}."))
    tensors, pairs = input_tensors(inputs)
    outputs = _connected(layers, pairs)
    if target.named:
        return _model(tensors, _heads(layers, outputs, target, head, add_head, heads or {}))
    if heads:
        raise UserError(Problem("model.heads", "the data has one output, whose head takes the last layer."))
    x = outputs[-1]
    expected = (*target.shape, target.outputs)
    fits = tuple(x.shape[1:]) == expected
    is_output = bool(layers) and _is_output(layers[-1], x)
    if add_head or (add_head is None and not (fits and is_output)):
        x = output_layer(_flat(x), target, head, Weights())
    elif not fits and target.kind != "none":
        raise UserError(
            Problem(
                "model.layers",
                f"the list ends with {_shown(x.shape)}; the data needs {_shown((None, *expected))}. Set model.add_head=true, or change the last layer.",
            )
        )
    return _model(tensors, x)


def _connected(layers: Sequence[keras.Layer], pairs: Sequence[Pair]) -> list[Any]:
    """Call each layer on its inputs: those that it names, else the layer before it, the first one else the data.

    Returns:
        The layers' outputs; without layers, the encoded data.

    Raises:
        UserError: an input does not exist, an input of the data is not used, or a layer does not accept its inputs.
    """
    of_data = {spec.name: (spec, tensor) for spec, tensor in pairs}
    by_name: dict[str, Any] = {}
    results: list[Any] = []
    unread = set(of_data)
    for i, layer in enumerate(layers):
        takes = getattr(layer, "takes", ())
        if takes or not results:
            unread -= set(takes or unread)
        if problems := [
            _unknown_input(i, name, [*by_name, *of_data]) for name in takes if name not in by_name | of_data
        ]:
            raise UserError(problems)
        if _layer_name(layer) in of_data:
            text = f"the data has an input {layer.name}, too. Name the layer differently."
            raise UserError(Problem(f"model.layers[{i}].layer_name", text))
        if takes:
            before = [by_name[n] if n in by_name else _encoded([of_data[n]], layer) for n in takes]
        else:
            before = [results[-1] if results else _encoded(pairs, layer)]
        results.append(_called(i, layer, before))
        if name := _layer_name(layer):
            by_name[name] = results[-1]
    if layers and unread:
        text = (
            f"no layer takes the data's input {', '.join(sorted(unread))}. Name it in the inputs of a layer."
        )
        raise UserError(Problem("model.layers", text))
    return results or [_encoded(pairs, None)]


def _layer_name(layer: keras.Layer) -> str | None:
    """Return the name that the config gives a layer; Keras' own (`dense_3`) depends on what was built before."""
    return getattr(layer, "layer_name", None)


def _encoded(pairs: Sequence[Pair], layer: keras.Layer | None) -> Any:
    """Return inputs of the data as a layer takes them: a single one unchanged, but codes, except for an `Embedding`, encoded."""
    spec, tensor = pairs[0]
    codes = spec.kind in ("tokens", "categorical") and not isinstance(layer, keras.layers.Embedding)
    return flatten_inputs(pairs) if len(pairs) > 1 or codes else tensor


def _called(i: int, layer: keras.Layer, inputs: list[Any]) -> Any:
    """Return a layer's output.

    Args:
        i: index of the layer, for messages.
        layer: to call.
        inputs: one tensor, or the several that a merging layer takes.
    """
    # Keras' layers of these kinds take query and value as arguments, others a list.
    separate = isinstance(layer, keras.layers.MultiHeadAttention | keras.layers.GroupQueryAttention)
    try:
        x = layer(*inputs) if separate or len(inputs) == 1 else layer(inputs)
    except (TypeError, ValueError, IndexError) as error:
        way_out = (
            "Put Flatten, Reshape or another layer before it."
            if len(inputs) == 1
            else "Their shapes must fit."
        )
        raise UserError(
            Problem(
                f"model.layers[{i}]",
                f"{type(layer).__name__} cannot take {' and '.join(_shown(t.shape) for t in inputs)}: {_first_line(error)} {way_out}",
            )
        ) from error
    if isinstance(x, list | tuple):
        text = f"{type(layer).__name__} gives several outputs; a list of layers passes one on."
        raise UserError(Problem(f"model.layers[{i}]", text))
    return x


def _heads(
    layers: Sequence[keras.Layer],
    outputs: Sequence[Any],
    target: TargetSpec,
    head: Any,
    add_head: bool | None,
    heads: Mapping[str, str],
) -> dict[str, Any]:
    """Return the head of each of several outputs, on the layer that `heads` names or on the last."""
    if add_head is False:
        text = f"the data has several outputs ({', '.join(target.named)}), and a list of layers ends in one. Leave it null: each gets a head."
        raise UserError(Problem("model.add_head", text))
    if unknown := [name for name in heads if name not in target.named]:
        has = f"It has {', '.join(target.named)}."
        raise UserError(
            [
                Problem(
                    f"model.heads.{n}", f"the data has no such output.{did_you_mean(n, target.named)} {has}"
                )
                for n in unknown
            ]
        )
    by_name = {_layer_name(layer): x for layer, x in zip(layers, outputs, strict=False)}
    flat: dict[int, Any] = {}  # one Flatten for the heads of one layer
    weights, ends = Weights(), {}
    for name, spec in target.named.items():
        x = by_name[heads[name]] if name in heads else outputs[-1]
        if id(x) not in flat:
            flat[id(x)] = _flat(x, None if flat else "flat")
        ends[name] = output_layer(flat[id(x)], spec, head[name], weights, name=f"head_{name}")
    return ends


def _flat(x: Any, name: str | None = "flat") -> Any:
    """Return a tensor as vectors."""
    return x if len(x.shape) == 2 else keras.layers.Flatten(name=name)(x)


def _model(tensors: Any, outputs: Any) -> keras.Model:
    """Return the model; a name that a layer and a head share is a mistake in the config."""
    try:
        return keras.Model(tensors, outputs, name="layers")
    except ValueError as error:
        raise UserError(Problem("model.layers", f"{_first_line(error)} Change the layer_name.")) from error


def _unknown_input(i: int, name: str, known: Sequence[str]) -> Problem:
    """Return the problem of an input that is neither an earlier layer nor an input of the data."""
    text = f"there is no layer and no input of the data {name!r} before layer {i}.{did_you_mean(name, known)} There are {', '.join(known)}."
    return Problem(f"model.layers[{i}].inputs", text)


def _is_output(last: keras.Layer, output: keras.KerasTensor) -> bool:
    """Return whether the last layer is meant as the output layer, by its activation."""
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    return activation in OF_HEADS or output_kind.is_probabilities(output) is True


def _shown(shape: Sequence[int | None]) -> str:
    """Return a tensor's shape as text, ``[batch, 8, ?]``."""
    return "[" + ", ".join(["batch", *("?" if s is None else str(s) for s in shape[1:])]) + "]"


def _first_line(error: Exception) -> str:
    """Return the first line of a layer's error as a sentence, without colours."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(error).splitlines()]
    # Keras puts the layer's own message below a line that names the layer.
    lines = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    text = lines[0] if lines else type(error).__name__
    return text if text.endswith((".", "!")) else text + "."
