"""A small convolutional network for images: convolutions with max pooling, then one dense layer."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import as_list, check_activation, conv_block, dense_block, output_layer
from trainrun.model._inputs import input_tensors, single_input
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(targets=("binary", "multiclass", "multilabel", "real", "named"), inputs="image")
def cnn(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    filters: Sizes = (16, 32),
    kernel_size: Count = 3,
    units: Count = 64,
    activation: str = "relu",
    dropout: Decay = 0.0,
    batch_norm: bool = False,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build a network of convolutions, each followed by 2x2 max pooling while the image is large enough, and a dense layer.

    Args:
        inputs, target: specs of the data; one image `[height, width, channels]`.
        head: activation of the output layer; None for logits, scores and real numbers.
        filters: number of filters of each convolution; default (16, 32).
        kernel_size: height and width of the convolutions, in pixels; default 3.
        units: width of the dense layer; default 64.
        activation: of the hidden layers, a name of `keras.activations`; default ``relu``.
        dropout: fraction of the dense layer's outputs set to 0 during training, in [0, 1); default 0.
        batch_norm: add batch normalization before each activation; default False.
        initializer, regularizer, constraint: of the kernels; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the hidden layers' outputs, per example; default None.

    Raises:
        UserError: the activation is unknown, or the data is not a single image.
    """
    check_activation(activation)
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    _, x = single_input(pairs, "image", "cnn", "model=mlp")
    for i, count in enumerate(as_list(filters)):
        x = conv_block(
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
    x = dense_block(
        x, units, weights, activation=activation, batch_norm=batch_norm, dropout=dropout, name="hidden"
    )
    return keras.Model(tensors, output_layer(x, target, head, weights), name="cnn")
