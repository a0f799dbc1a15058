"""A residual network for small images: shortcuts around pairs of convolutions."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import check_activation, convolution, listed
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import only, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(targets=("binary", "multiclass", "multilabel", "real"), inputs="image")
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
) -> keras.Model:
    """Return a convolution, stages of residual blocks, and the mean over the image.

    Args:
        inputs, target: of the data; one image.
        head: activation of the last layer.
        filters: of each stage; every stage but the first halves the image, as long as there is something to halve.
        blocks: residual blocks in each stage.
        activation: of all but the last layer.
        dropout: share of the pooled features set to 0 while training.
        batch_norm: normalize before each activation.
        initializer, regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of each block's output.

    Raises:
        UserError: the data is no single image.

    Reference:
        He et al., Deep residual learning for image recognition, 2016.
    """
    check_activation(activation)
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    _, x = only(pairs, "image", "resnet_small", "model=mlp")
    x = convolution(x, listed(filters)[0], weights, activation=activation, batch_norm=batch_norm, name="stem")
    for stage, count in enumerate(listed(filters)):
        for block in range(blocks):
            strides = 2 if stage and not block and min(x.shape[1:3]) >= 2 else 1
            x = _block(
                x, count, strides, weights, activation, batch_norm, f"stage_{stage + 1}_block_{block + 1}"
            )
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(opened, add_head(x, target, head, weights), name="resnet_small")


def _block(
    x: Any, filters: int, strides: int, weights: Weights, activation: str, batch_norm: bool, name: str
) -> Any:
    shortcut = x
    inner = {"batch_norm": batch_norm}
    if strides > 1 or x.shape[-1] != filters:
        shortcut = convolution(
            x,
            filters,
            weights,
            kernel_size=1,
            strides=strides,
            activation=None,
            activity=False,
            name=f"{name}_shortcut",
            **inner,
        )
    x = convolution(
        x, filters, weights, strides=strides, activation=activation, activity=False, name=f"{name}_1", **inner
    )
    x = convolution(x, filters, weights, activation=None, activity=False, name=f"{name}_2", **inner)
    x = layers.Add(name=f"{name}_sum")([x, shortcut])
    return layers.Activation(activation, activity_regularizer=weights.activity_regularizer, name=name)(x)
