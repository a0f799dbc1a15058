"""A network written in YAML: a list of Keras layers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model import output_kind
from trainrun.model._blocks import head as final
from trainrun.model._inputs import flat, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
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
    output: str | None = None,
) -> keras.Model:
    """Return the layers one after another.

    A single input goes in as it is (an image as an image, tokens as ids for an `Embedding`); tokens or categories
    without an `Embedding` first, and several inputs, go in side by side, as numbers.

    Args:
        inputs, target: of the data.
        head: activation of the head, where one is added.
        layers: Keras layers, built.
        add_head: add a last dense layer of the size that the data needs. None: unless the list's output has
            that shape already and ends with no activation, softmax, sigmoid or softplus.
        output: what the last layer gives: ``probabilities``, ``logits`` or ``scores``. None: read from the layer. The run
            reads it, not this function.

    Raises:
        UserError: a layer cannot take what the one before it gives, or the list does not end as the data needs.
    """
    if add_head not in (True, False, None):
        raise UserError(Problem("model.add_head", f"expected true, false or null, got {add_head!r}."))
    opened, pairs = open_inputs(inputs)
    spec, x = pairs[0]
    embeds = bool(layers) and isinstance(layers[0], keras.layers.Embedding)
    if len(pairs) > 1 or (spec.kind in ("tokens", "categorical") and not embeds):
        x = flat(pairs)
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
    wanted = (*target.shape, target.outputs)
    fits = tuple(x.shape[1:]) == wanted
    ends = bool(layers) and _is_output(layers[-1], x)
    if add_head or (add_head is None and not (fits and ends)):
        x = final(x if len(x.shape) == 2 else keras.layers.Flatten(name="flat")(x), target, head, Weights())
    elif not fits and target.kind != "none":
        raise UserError(
            Problem(
                "model.layers",
                f"the list ends with {_shown(x.shape)}; the data needs {_shown((None, *wanted))}. Set model.add_head=true, or change the last layer.",
            )
        )
    return keras.Model(opened, x, name="layers")


def _is_output(last: keras.Layer, output: keras.KerasTensor) -> bool:
    """Return whether the list means its last layer to be the output."""
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    return activation in ("linear", "softplus") or output_kind.is_probabilities(output) is True


def _shown(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join(["batch", *("?" if s is None else str(s) for s in shape[1:])]) + "]"


def _first_line(error: Exception) -> str:
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(error).splitlines()]
    # What a layer raises, Keras puts below a line that names the layer.
    lines = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    text = lines[0] if lines else type(error).__name__
    # Keras' own advice begins with the layer's path; what follows the colon is the fault.
    return text if text.endswith((".", "!")) else text + "."
