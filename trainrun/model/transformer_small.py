"""A small transformer encoder: self-attention over the steps of a sequence."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model._blocks import check_activation
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import open_inputs, sequence
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
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
) -> keras.Model:
    """Return an encoder with learnt positions and norm before each sublayer; the mean over the steps goes to the head.

    Tokens are steps; so are an image's rows, and a table's columns.

    Args:
        inputs, target: of the data.
        head: activation of the last layer.
        width: of each step; a multiple of `heads`.
        heads: attention heads.
        depth: blocks of attention and perceptron.
        feed_forward: width of each block's perceptron.
        activation: of the perceptrons.
        mask_zero: token 0 is padding, to be skipped.
        dropout: share of each sublayer's outputs set to 0 while training.
        initializer: of the dense and the attention's kernels.
        regularizer, constraint: of the dense and the attention's kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the perceptrons' hidden outputs.

    Raises:
        UserError: the width is no multiple of the heads.

    Reference:
        Vaswani et al., Attention is all you need, 2017; Xiong et al., On layer normalization in the transformer
        architecture, 2020.
    """
    check_activation(activation)
    if width % heads:
        raise UserError(Problem("model.width", f"expected a multiple of model.heads={heads}, got {width}."))
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    if weights.regularizer is not None:
        # An attention's kernels have three axes, as a convolution's have four.
        weights.conv()
    opened, pairs = open_inputs(inputs)
    x = sequence(pairs, width, weights)
    counted = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1) - 1
    x = layers.Add(name="with_positions")([x, layers.Embedding(x.shape[1], width, name="positions")(counted)])
    masked = mask_zero and len(pairs) == 1 and pairs[0][0].kind == "tokens"
    real = ops.not_equal(pairs[0][1], 0) if masked else None
    for i in range(1, depth + 1):
        x = layers.Add(name=f"block_{i}_attended")([x, _attention(x, real, heads, dropout, weights, i)])
        y = layers.LayerNormalization(name=f"block_{i}_norm_2")(x)
        y = layers.Dense(feed_forward, activation=activation, name=f"block_{i}_widen", **weights.dense())(y)
        y = layers.Dense(width, name=f"block_{i}_narrow", **weights.dense(activity=False))(y)
        y = layers.Dropout(dropout)(y) if dropout else y
        x = layers.Add(name=f"block_{i}")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    if real is None:
        x = layers.GlobalAveragePooling1D(name="mean")(x)
    else:
        # An example that is all padding gives 0, not 0 / 0.
        share = ops.cast(real, x.dtype)
        x = ops.sum(x * share[:, :, None], axis=1) / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1)
    return keras.Model(opened, add_head(x, target, head, weights), name="transformer_small")


def _attention(x: Any, real: Any, heads: int, dropout: float, weights: Weights, i: int) -> Any:
    y = layers.LayerNormalization(name=f"block_{i}_norm_1")(x)
    attention = layers.MultiHeadAttention(
        heads,
        x.shape[-1] // heads,
        dropout=dropout,
        name=f"block_{i}_attention",
        **weights.dense(activity=False),
    )
    y = attention(y, y, attention_mask=None if real is None else real[:, None, :])
    if (
        isinstance(getattr(weights.initializer, "seed", None), int)
        and weights.initializer.get_config()["seed"] is not None
    ):
        # Keras gives all four projections the one seed, and query and key would begin alike.
        for dense in (attention.key_dense, attention.value_dense, attention.output_dense):
            dense.kernel.assign(weights.next_initializer()(dense.kernel.shape))
    return layers.Dropout(dropout)(y) if dropout else y
