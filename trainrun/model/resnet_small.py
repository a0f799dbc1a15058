"""A residual network for small images: shortcut connections around pairs of convolutions."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import as_list, check_activation, conv_block, output_layer
from trainrun.model._inputs import input_tensors, single_input
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(targets=("binary", "multiclass", "multilabel", "real", "named"), inputs="image")
def resnet_small(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    filters: Sizes = (16, 32, 64),
    blocks: Count = 1,
    activation: str = "relu",
    dropout: Decay = 0.0,
    batch_norm: bool = True,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build a convolution, stages of residual blocks, and global average pooling.

    Args:
        inputs, target: specs of the data; one image `[height, width, channels]`.
        head: activation of the output layer; None for logits, scores and real numbers.
        filters: number of filters of each stage; default (16, 32, 64). Every stage after the first halves the image, down
            to one pixel.
        blocks: number of residual blocks per stage; default 1.
        activation: of the hidden layers, a name of `keras.activations`; default ``relu``.
        dropout: fraction of the pooled features set to 0 during training, in [0, 1); default 0.
        batch_norm: add batch normalization before each activation; default True.
        initializer, regularizer, constraint: of the kernels; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of each block's output, per example; default None.

    Raises:
        UserError: the activation is unknown, or the data is not a single image.

    Reference:
        He et al. 2016, Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385
    """
    check_activation(activation)
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    _, x = single_input(pairs, "image", "resnet_small", "model=mlp")
    x = conv_block(x, as_list(filters)[0], weights, activation=activation, batch_norm=batch_norm, name="stem")
    for stage, count in enumerate(as_list(filters)):
        for block in range(blocks):
            strides = 2 if stage and not block and min(x.shape[1:3]) >= 2 else 1
            x = _block(
                x, count, strides, weights, activation, batch_norm, f"stage_{stage + 1}_block_{block + 1}"
            )
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(tensors, output_layer(x, target, head, weights), name="resnet_small")


def _block(
    x: Any, filters: int, strides: int, weights: Weights, activation: str, batch_norm: bool, name: str
) -> Any:
    """Apply a residual block: `activation(convolutions(x) + shortcut(x))`."""
    shortcut = x
    if strides > 1 or x.shape[-1] != filters:
        shortcut = conv_block(
            x,
            filters,
            weights,
            kernel_size=1,
            strides=strides,
            activation=None,
            batch_norm=batch_norm,
            activity=False,
            name=f"{name}_shortcut",
        )
    common = {"batch_norm": batch_norm, "activity": False}
    x = conv_block(x, filters, weights, strides=strides, activation=activation, name=f"{name}_1", **common)
    x = conv_block(x, filters, weights, activation=None, name=f"{name}_2", **common)
    x = layers.Add(name=f"{name}_sum")([x, shortcut])
    return layers.Activation(activation, activity_regularizer=weights.activity_regularizer, name=name)(x)
