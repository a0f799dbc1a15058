"""The model's inputs by what the data has, and their way into flat, sequence and image models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from trainrun.data.dataset import InputSpec
from trainrun.errors import Problem, UserError
from trainrun.model._weights import Weights

# A column with more values than this is embedded, not one-hot encoded.
ONE_HOT_UP_TO = 20
Pair = tuple[InputSpec, Any]


def open_inputs(inputs: Sequence[InputSpec]) -> tuple[Any, list[Pair]]:
    """Return what `keras.Model` takes as inputs, and each spec with its tensor.

    One input is an array, several are a dict by name, as in `Split.x`.
    """
    tensors = {s.name: keras.Input(s.shape, dtype=s.dtype, name=s.name) for s in inputs}
    pairs = [(s, tensors[s.name]) for s in inputs]
    return (pairs[0][1] if len(pairs) == 1 else tensors), pairs


def only(pairs: Sequence[Pair], kind: str, model: str, instead: str) -> Pair:
    """Return the one input, which must be of a kind.

    Raises:
        UserError: there are others, or it is of another kind.
    """
    if len(pairs) == 1 and pairs[0][0].kind == kind:
        return pairs[0]
    found = " and ".join(f"{s.kind} {list(s.shape)}" for s, _ in pairs)
    raise UserError(
        Problem("model", f"model={model} takes one {kind} input; the data has {found}. Try {instead}.")
    )


def embedding_size(values: int) -> int:
    """Return the usual width of the embedding of a column with so many values: 1.6 · values^0.56, at most 50."""
    return min(50, math.ceil(1.6 * values**0.56))


def flat(
    pairs: Sequence[Pair], *, embedding: int | None = None, one_hot: bool = False, embed: bool = False
) -> Any:
    """Return all inputs side by side, `[batch, d]`.

    Images are flattened; categorical codes become one-hot, or embedded where a column has many values; tokens are
    embedded and averaged, which forgets their order.

    Args:
        pairs: from `open_inputs`.
        embedding: width of the tokens' embedding; None: by the vocabulary.
        one_hot: never embed: of tokens, the share of each is taken. For linear models.
        embed: embed every categorical column, however few its values.
    """
    parts = []
    for spec, tensor in pairs:
        if spec.kind == "numeric":
            parts.append(tensor)
        elif spec.kind == "image":
            parts.append(layers.Flatten()(tensor))
        elif spec.kind == "categorical":
            parts += columns(spec, tensor, one_hot, embed)
        elif one_hot:
            parts.append(ops.mean(ops.one_hot(tensor, spec.cardinalities[0]), axis=1))
        else:
            width = embedding or embedding_size(spec.cardinalities[0])
            embedded = layers.Embedding(spec.cardinalities[0], width, name=f"{spec.name}_embedding")(tensor)
            parts.append(layers.GlobalAveragePooling1D(name=f"{spec.name}_mean")(embedded))
    flattened = [p if len(p.shape) == 2 else layers.Flatten()(p) for p in parts]
    return flattened[0] if len(flattened) == 1 else layers.Concatenate()(flattened)


def columns(spec: InputSpec, tensor: Any, one_hot: bool = False, embed: bool = False) -> list[Any]:
    """Return each categorical column as one-hot or embedded, `[batch, width]`.

    Args:
        spec, tensor: codes `[batch, columns]`.
        one_hot: never embed.
        embed: always embed.
    """
    found = []
    for i, values in enumerate(spec.cardinalities):
        codes = tensor[:, i]
        if one_hot or (values <= ONE_HOT_UP_TO and not embed):
            found.append(ops.one_hot(codes, values))
        else:
            found.append(
                layers.Embedding(values, embedding_size(values), name=f"{spec.name}_{i}_embedding")(codes)
            )
    return found


def sequence(pairs: Sequence[Pair], width: int, weights: Weights, mask_zero: bool = False) -> Any:
    """Return all inputs as one sequence, `[batch, steps, width]`.

    A token is a step, a categorical column is a step (each with its own embedding), an image's row is a step, a
    number is a step; several inputs follow each other.

    Args:
        pairs: from `open_inputs`.
        width: of each step.
        weights: of the dense layers that bring numbers and rows to `width`.
        mask_zero: token 0 is padding, to be skipped; only where tokens are the only input.
    """
    parts = []
    for spec, tensor in pairs:
        if spec.kind == "tokens":
            masked = mask_zero and len(pairs) == 1
            name = f"{spec.name}_embedding"
            parts.append(layers.Embedding(spec.cardinalities[0], width, mask_zero=masked, name=name)(tensor))
        elif spec.kind == "categorical":
            # One table for all columns: each column's codes begin where the last column's end.
            starts = [sum(spec.cardinalities[:i]) for i in range(len(spec.cardinalities))]
            table = layers.Embedding(sum(spec.cardinalities), width, name=f"{spec.name}_embedding")
            parts.append(table(tensor + ops.convert_to_tensor([starts], dtype="int32")))
        else:
            rows = (spec.shape[0], math.prod(spec.shape[1:]))
            steps = layers.Reshape(rows, name=f"{spec.name}_steps")(tensor)
            parts.append(
                layers.Dense(width, name=f"{spec.name}_projection", **weights.dense(activity=False))(steps)
            )
    return parts[0] if len(parts) == 1 else layers.Concatenate(axis=1, name="one_after_another")(parts)
