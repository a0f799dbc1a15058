"""A small Transformer encoder: self-attention over the steps of a sequence."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model._blocks import check_activation, output_layer
from trainrun.model._inputs import input_tensors, sequence_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
    inputs=("numeric", "categorical", "image", "tokens"),
)
def transformer_small(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    width: Count = 32,
    heads: Count = 4,
    depth: Count = 2,
    feed_forward: Count = 64,
    activation: str = "gelu",
    mask_zero: bool = False,
    dropout: Decay = 0.0,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build a pre-norm Transformer encoder with learned position embeddings, and average pooling over the steps.

    The steps of the sequence are tokens, an image's rows, or a table's columns.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer; None for logits, scores and real numbers.
        width: of each step, a multiple of `heads`; default 32.
        heads: number of attention heads; default 4.
        depth: number of encoder blocks; default 2.
        feed_forward: width of the hidden layer of each block's feed-forward network; default 64.
        activation: of the feed-forward networks, a name of `keras.activations`; default ``gelu``.
        mask_zero: treat token 0 as padding: not attended to and not pooled; default False.
        dropout: fraction of each sublayer's outputs set to 0 during training, in [0, 1); default 0.
        initializer, regularizer, constraint: of the kernels of dense and attention layers; defaults Glorot uniform,
            None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the feed-forward networks' hidden outputs, per example; default None.

    Raises:
        UserError: the activation is unknown, or the width is not a multiple of `heads`.

    Reference:
        Vaswani et al. 2017, Attention Is All You Need, https://arxiv.org/abs/1706.03762;
        Xiong et al. 2020, On Layer Normalization in the Transformer Architecture, https://arxiv.org/abs/2002.04745
    """
    check_activation(activation)
    if width % heads:
        raise UserError(Problem("model.width", f"expected a multiple of model.heads={heads}, got {width}."))
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    if weights.regularizer is not None:
        weights.conv()  # refuses a regularizer for matrices: the kernels of an attention layer have three axes
    tensors, pairs = input_tensors(inputs)
    x = sequence_inputs(pairs, width, weights)
    positions = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1) - 1
    embedded = layers.Embedding(x.shape[1], width, name="positions")(positions)
    x = layers.Add(name="with_positions")([x, embedded])
    masked = mask_zero and len(pairs) == 1 and pairs[0][0].kind == "tokens"
    mask = ops.not_equal(pairs[0][1], 0) if masked else None
    for i in range(1, depth + 1):
        x = layers.Add(name=f"block_{i}_attended")([x, _attention(x, mask, heads, dropout, weights, i)])
        y = layers.LayerNormalization(name=f"block_{i}_norm_2")(x)
        y = layers.Dense(feed_forward, activation=activation, name=f"block_{i}_widen", **weights.dense())(y)
        y = layers.Dense(width, name=f"block_{i}_narrow", **weights.dense(activity=False))(y)
        y = layers.Dropout(dropout)(y) if dropout else y
        x = layers.Add(name=f"block_{i}")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    if mask is None:
        x = layers.GlobalAveragePooling1D(name="mean")(x)
    else:
        # The maximum with 1: an example of padding only has the mean 0, not 0 / 0.
        weight = ops.cast(mask, x.dtype)
        x = ops.sum(x * weight[:, :, None], axis=1) / ops.maximum(ops.sum(weight, axis=1, keepdims=True), 1)
    return keras.Model(tensors, output_layer(x, target, head, weights), name="transformer_small")


def _attention(x: Any, mask: Any, heads: int, dropout: float, weights: Weights, i: int) -> Any:
    """Apply layer normalization, self-attention and dropout; `mask` `[batch, steps]` is False for padding, or None."""
    y = layers.LayerNormalization(name=f"block_{i}_norm_1")(x)
    attention = layers.MultiHeadAttention(
        heads,
        x.shape[-1] // heads,
        dropout=dropout,
        name=f"block_{i}_attention",
        **weights.dense(activity=False),
    )
    y = attention(y, y, attention_mask=None if mask is None else mask[:, None, :])
    if (
        isinstance(getattr(weights.initializer, "seed", None), int)
        and weights.initializer.get_config()["seed"] is not None
    ):
        # Keras uses one seed for all four projections; query and key would start alike.
        for dense in (attention.key_dense, attention.value_dense, attention.output_dense):
            dense.kernel.assign(weights.next_initializer()(dense.kernel.shape))
    return layers.Dropout(dropout)(y) if dropout else y
