"""An hourglass of convolutions with bridges between equal sizes: one label for each pixel."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model._blocks import check_activation, convolution, listed, output_dtype
from trainrun.model._inputs import only, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(targets=("binary", "multiclass", "multilabel", "real"), inputs="image")
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
) -> keras.Model:
    """Return a U-Net; an image whose size does not halve evenly is padded first and cropped at the end.

    Args:
        inputs, target: of the data; one image, and a label for each of its pixels.
        head: activation of the last layer.
        filters: of each level; every level below the first works on half the height and width.
        activation: of all but the last layer.
        dropout: share of the lowest level's outputs set to 0 while training.
        batch_norm: normalize before each activation.
        initializer, regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the hidden layers' outputs.

    Raises:
        UserError: the data is no single image, or has no label for each pixel.

    Reference:
        Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, 2015.
    """
    check_activation(activation)
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    spec, x = only(pairs, "image", "unet_small", "model=mlp")
    if target.shape != spec.shape[:2]:
        has = f"labels of shape {list(target.shape)}" if target.shape else "one label for each image"
        raise UserError(
            Problem(
                "model",
                f"model=unet_small gives an output for each pixel {list(spec.shape[:2])}; the data has {has}. Try model=cnn.",
            )
        )
    levels = listed(filters)
    step = 2 ** (len(levels) - 1)
    padding = [(-side % step // 2, -side % step - -side % step // 2) for side in spec.shape[:2]]
    padded = any(sum(p) for p in padding)
    if padded:
        x = layers.ZeroPadding2D(padding, name="pad")(x)
    double = {"activation": activation, "batch_norm": batch_norm}
    bridges = []
    for level, count in enumerate(levels):
        if level:
            bridges.append(x)
            x = layers.MaxPooling2D(2, name=f"down_{level}")(x)
        for half in (1, 2):
            x = convolution(x, count, weights, name=f"down_{level}_conv_{half}", **double)
    x = layers.Dropout(dropout)(x) if dropout else x
    for level in reversed(range(len(levels) - 1)):
        x = layers.UpSampling2D(2, name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"bridge_{level}")([bridges[level], x])
        for half in (1, 2):
            x = convolution(x, levels[level], weights, name=f"up_{level}_conv_{half}", **double)
    if padded:
        x = layers.Cropping2D(padding, name="crop")(x)
    last = weights.conv(activity=False)
    x = layers.Conv2D(target.outputs, 1, activation=head, dtype=output_dtype(), name="head", **last)(x)
    return keras.Model(opened, x, name="unet_small")
