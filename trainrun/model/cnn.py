"""A small convolutional network for images: convolutions and pooling, then one dense layer."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import check_activation, convolution, hidden, listed
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import only, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(targets=("binary", "multiclass", "multilabel", "real"), inputs="image")
def cnn(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    filters: Sizes = (16, 32),
    kernel_size: Count = 3,
    units: Sizes = 64,
    activation: str = "relu",
    dropout: Decay = 0.0,
    batch_norm: bool = False,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
) -> keras.Model:
    """Return convolutions, each followed by 2x2 pooling as long as the image is large enough, then a dense layer.

    Args:
        inputs, target: of the data; one image.
        head: activation of the last layer.
        filters: of each convolution.
        kernel_size: height and width of the convolutions, in pixels.
        units: width of the dense layer.
        activation: of all but the last layer.
        dropout: share of the dense layer's outputs set to 0 while training.
        batch_norm: normalize before each activation.
        initializer, regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the hidden layers' outputs.

    Raises:
        UserError: the data is no single image.
    """
    check_activation(activation)
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    _, x = only(pairs, "image", "cnn", "model=mlp")
    for i, count in enumerate(listed(filters)):
        x = convolution(
            x,
            count,
            weights,
            kernel_size=kernel_size,
            activation=activation,
            batch_norm=batch_norm,
            name=f"conv_{i + 1}",
        )
        if min(x.shape[1:3]) >= 2:
            x = layers.MaxPooling2D(2, name=f"pool_{i + 1}")(x)
    x = layers.Flatten(name="flat")(x)
    x = hidden(
        x, units, weights, activation=activation, batch_norm=batch_norm, dropout=dropout, name="hidden"
    )
    return keras.Model(opened, add_head(x, target, head, weights), name="cnn")
