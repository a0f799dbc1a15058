"""Input tensors of a model for the kinds of input that the data has, and their encoding for flat and sequence models."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from trainrun.data.dataset import InputSpec
from trainrun.errors import Problem, UserError
from trainrun.model._weights import Weights

# A categorical column with more values than this is embedded instead of one-hot encoded.
MAX_ONE_HOT_VALUES = 20
# Numbers of an example's one-hot encoded tokens above which they are counted instead.
MAX_ONE_HOT_NUMBERS = 2**20
Pair = tuple[InputSpec, Any]


def input_tensors(inputs: Sequence[InputSpec]) -> tuple[Any, list[Pair]]:
    """Create the input tensors of a model.

    Returns:
        `(inputs, pairs)`: the argument `inputs` of `keras.Model`, as in `Split.x` (a tensor, or a dict by name if there are
        several), and each spec with its tensor.
    """
    tensors = {s.name: keras.Input(s.shape, dtype=s.dtype, name=s.name) for s in inputs}
    pairs = [(s, tensors[s.name]) for s in inputs]
    return (pairs[0][1] if len(pairs) == 1 else tensors), pairs


def single_input(pairs: Sequence[Pair], kind: str, model: str, instead: str) -> Pair:
    """Return the only input.

    Args:
        pairs: from `input_tensors`.
        kind: the kind of input that the model takes.
        model: the model's name, for the message.
        instead: an override that takes other inputs, for the message.

    Raises:
        UserError: the data has several inputs, or one of another kind.
    """
    if len(pairs) == 1 and pairs[0][0].kind == kind:
        return pairs[0]
    present = " and ".join(f"{s.kind} {list(s.shape)}" for s, _ in pairs)
    raise UserError(
        Problem("model", f"model={model} takes one {kind} input; the data has {present}. Try {instead}.")
    )


def embedding_size(values: int) -> int:
    """Return the default width of the embedding of a column with so many values: `min(50, ⌈1.6 · values^0.56⌉)`.

    Reference:
        `emb_sz_rule` of fastai's tabular models, here rounded up and with a smaller maximum.
    """
    return min(50, math.ceil(1.6 * values**0.56))


def flatten_inputs(
    pairs: Sequence[Pair], *, embedding: int | None = None, one_hot: bool = False, embed: bool = False
) -> Any:
    """Concatenate all inputs to vectors.

    Images are flattened. Categorical columns are one-hot encoded, or embedded if they have many values. Tokens are
    embedded and averaged over the sequence, which discards their order.

    Args:
        pairs: from `input_tensors`.
        embedding: width of the tokens' embedding; None: `embedding_size` of the vocabulary.
        one_hot: never embed; tokens become the frequency of each token. For linear models.
        embed: embed every categorical column, whatever its number of values.

    Returns:
        `[batch, d]`.
    """
    parts = []
    for spec, tensor in pairs:
        if spec.kind == "numeric":
            parts.append(tensor)
        elif spec.kind == "image":
            parts.append(layers.Flatten()(tensor))
        elif spec.kind == "categorical":
            parts += encode_columns(spec, tensor, one_hot, embed)
        elif one_hot:
            parts.append(_frequencies(spec, tensor))
        else:
            width = embedding or embedding_size(spec.cardinalities[0])
            embedded = layers.Embedding(spec.cardinalities[0], width, name=f"{spec.name}_embedding")(tensor)
            parts.append(layers.GlobalAveragePooling1D(name=f"{spec.name}_mean")(embedded))
    vectors = [p if len(p.shape) == 2 else layers.Flatten()(p) for p in parts]
    return vectors[0] if len(vectors) == 1 else layers.Concatenate()(vectors)


def encode_columns(spec: InputSpec, tensor: Any, one_hot: bool = False, embed: bool = False) -> list[Any]:
    """Encode each categorical column, one-hot or by an embedding.

    Args:
        spec: of the columns.
        tensor: category codes, `[batch, columns]`.
        one_hot: never embed.
        embed: always embed.

    Returns:
        Tensors `[batch, width]`, which follow the order of the columns: one for each embedded column, one for each run of neighbours
        that are one-hot encoded.
    """
    encoded = []
    rare = [not one_hot and (embed or values > MAX_ONE_HOT_VALUES) for values in spec.cardinalities]
    for embedded, run in itertools.groupby(range(len(rare)), rare.__getitem__):
        if not embedded:
            encoded.append(_one_hot(tensor, [(i, spec.cardinalities[i]) for i in run]))
            continue
        for i in run:
            values, name = spec.cardinalities[i], f"{spec.name}_{i}_embedding"
            encoded.append(layers.Embedding(values, embedding_size(values), name=name)(tensor[:, i]))
    return encoded


def _frequencies(spec: InputSpec, tokens: Any) -> Any:
    """Return how often each token of the vocabulary is in a text, as a fraction of its length, `[batch, vocabulary]`.

    One-hot codes of long texts and large vocabularies are gigabytes a batch; counting takes an eighth of their time, but is an operation that
    LiteRT and OpenVINO do not have.
    """
    vocabulary, steps = spec.cardinalities[0], spec.shape[0]
    if vocabulary * steps <= MAX_ONE_HOT_NUMBERS:
        return ops.mean(ops.one_hot(tokens, vocabulary), axis=1)
    count = layers.CategoryEncoding(
        vocabulary, "count", dtype=keras.config.floatx(), name=f"{spec.name}_counts"
    )
    return count(tokens) / steps


def _one_hot(codes: Any, columns: Sequence[tuple[int, int]]) -> Any:
    """Return the one-hot codes of columns side by side, by two operations for any number of columns.

    Args:
        codes: `[batch, columns]`.
        columns: index of each column and its number of values.
    """
    column = np.repeat([i for i, _ in columns], [values for _, values in columns])
    code = np.concatenate([np.arange(values) for _, values in columns])
    return ops.cast(
        ops.equal(ops.take(codes, column, axis=1), code[None].astype("int32")), keras.config.floatx()
    )


def sequence_inputs(pairs: Sequence[Pair], width: int, weights: Weights, mask_zero: bool = False) -> Any:
    """Concatenate all inputs to one sequence.

    The steps are tokens, categorical columns (each with an embedding of its own), rows of images, or single numbers;
    several inputs follow each other.

    Args:
        pairs: from `input_tensors`.
        width: of each step.
        weights: initializers, penalties and constraint of the dense layers that project numbers and rows to `width`.
        mask_zero: treat token 0 as padding and mask it; only if tokens are the only input.

    Returns:
        `[batch, steps, width]`.
    """
    parts = []
    for spec, tensor in pairs:
        if spec.kind == "tokens":
            masked = mask_zero and len(pairs) == 1
            name = f"{spec.name}_embedding"
            parts.append(layers.Embedding(spec.cardinalities[0], width, mask_zero=masked, name=name)(tensor))
        elif spec.kind == "categorical":
            # One embedding table for all columns: the codes of a column are offset by the values of those before it.
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
