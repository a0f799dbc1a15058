"""A sequential network defined in YAML: a list of Keras layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model import output_kind
from trainrun.model._blocks import output_layer
from trainrun.model._inputs import flatten_inputs, input_tensors
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
    head: str | None,
    *,
    layers: Sequence[keras.Layer],
    add_head: bool | None = None,
    output: Literal["probabilities", "logits", "scores"] | None = None,
) -> keras.Model:
    """Build a sequential network.

    A single input is passed unchanged (an image as an image, tokens as ids for an `Embedding`). Several inputs, and tokens
    or categories where the first layer is not an `Embedding`, are encoded and concatenated to vectors.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer, if one is added.
        layers: the layers, as Keras objects.
        add_head: add a dense output layer of the size that the data requires. Default None: unless the last layer's
            output has that shape and its activation is none, softmax, sigmoid or softplus. Several outputs have a head each.
        output: what the model predicts for classes: ``probabilities``, ``logits`` or ``scores``; default None: inferred
            from the graph. Used by the run, not by this function.

    Raises:
        UserError: a layer does not accept the output of the one before it, or the last output has the wrong shape.
    """
    if add_head not in (True, False, None):
        raise UserError(Problem("model.add_head", f"expected true, false or null, got {add_head!r}."))
    tensors, pairs = input_tensors(inputs)
    spec, x = pairs[0]
    embeds = bool(layers) and isinstance(layers[0], keras.layers.Embedding)
    if len(pairs) > 1 or (spec.kind in ("tokens", "categorical") and not embeds):
        x = flatten_inputs(pairs)
    for i, layer in enumerate(layers):
        before = x.shape
        try:
            x = layer(x)
        except (TypeError, ValueError, IndexError) as error:
            raise UserError(
                Problem(
                    f"model.layers[{i}]",
                    f"{type(layer).__name__} cannot take {_shown(before)}: {_first_line(error)} "
                    "Put Flatten, Reshape or another layer before it.",
                )
            ) from error
        if isinstance(x, list | tuple):
            raise UserError(
                Problem(
                    f"model.layers[{i}]",
                    f"{type(layer).__name__} gives several outputs; a list of layers passes one on.",
                )
            )
    if target.named and add_head is False:
        text = f"the data has several outputs ({', '.join(target.named)}), and a list of layers ends in one. Leave it null: each gets a head."
        raise UserError(Problem("model.add_head", text))
    add_head = True if target.named else add_head
    expected = (*target.shape, target.outputs)
    fits = tuple(x.shape[1:]) == expected
    is_output = bool(layers) and _is_output(layers[-1], x)
    if add_head or (add_head is None and not (fits and is_output)):
        x = output_layer(
            x if len(x.shape) == 2 else keras.layers.Flatten(name="flat")(x), target, head, Weights()
        )
    elif not fits and target.kind != "none":
        raise UserError(
            Problem(
                "model.layers",
                f"the list ends with {_shown(x.shape)}; the data needs {_shown((None, *expected))}. Set model.add_head=true, or change the last layer.",
            )
        )
    return keras.Model(tensors, x, name="layers")


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
