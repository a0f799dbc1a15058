"""A small U-Net: an encoder and a decoder of convolutions with skip connections, for one label per pixel."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model._blocks import as_list, check_activation, conv_block, output_dtype
from trainrun.model._inputs import input_tensors, single_input
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(targets=("binary", "multiclass", "multilabel", "real"), inputs="image", quantizes=False)
def unet_small(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    filters: Sizes = (8, 16, 32),
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
    """Build a U-Net. An image whose height and width cannot be halved evenly is padded first, and the output is cropped.

    Args:
        inputs, target: specs of the data; one image `[height, width, channels]`, and a label for each of its pixels.
        head: activation of the output layer; None for logits, scores and real numbers.
        filters: number of filters of each level; default (8, 16, 32). Each level has half the height and width of the one
            before it.
        activation: of the hidden layers, a name of `keras.activations`; default ``relu``.
        dropout: fraction of the lowest level's outputs set to 0 during training, in [0, 1); default 0.
        batch_norm: add batch normalization before each activation; default True.
        initializer, regularizer, constraint: of the kernels; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the hidden layers' outputs, per example; default None.

    Raises:
        UserError: the activation is unknown, or the data is not a single image with a label for each pixel.

    Reference:
        Ronneberger et al. 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation,
        https://arxiv.org/abs/1505.04597
    """
    check_activation(activation)
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    spec, x = single_input(pairs, "image", "unet_small", "model=mlp")
    if target.shape != spec.shape[:2]:
        has = f"labels of shape {list(target.shape)}" if target.shape else "one label for each image"
        raise UserError(
            Problem(
                "model",
                f"model=unet_small gives an output for each pixel {list(spec.shape[:2])}; the data has {has}. Try model=cnn.",
            )
        )
    levels = as_list(filters)
    step = 2 ** (len(levels) - 1)
    padding = [(-side % step // 2, -side % step - -side % step // 2) for side in spec.shape[:2]]
    padded = any(sum(p) for p in padding)
    if padded:
        x = layers.ZeroPadding2D(padding, name="pad")(x)
    common = {"activation": activation, "batch_norm": batch_norm}
    skips = []
    for level, count in enumerate(levels):
        if level:
            skips.append(x)
            x = layers.MaxPooling2D(2, name=f"down_{level}")(x)
        for i in (1, 2):
            x = conv_block(x, count, weights, name=f"down_{level}_conv_{i}", **common)
    x = layers.Dropout(dropout)(x) if dropout else x
    for level in reversed(range(len(levels) - 1)):
        x = layers.UpSampling2D(2, name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"bridge_{level}")([skips[level], x])
        for i in (1, 2):
            x = conv_block(x, levels[level], weights, name=f"up_{level}_conv_{i}", **common)
    if padded:
        x = layers.Cropping2D(padding, name="crop")(x)
    arguments = weights.conv(activity=False)
    x = layers.Conv2D(target.outputs, 1, activation=head, dtype=output_dtype(), name="head", **arguments)(x)
    return keras.Model(tensors, x, name="unet_small")
