"""An image network of `keras.applications` with a head for the data at hand."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import only, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer
from trainrun.util.declarations import declare

# The smallest height and width that a network takes.
LEAST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
# The kinds of kernels that the layers of these networks have.
KERNELS = ("kernel", "depthwise", "pointwise")


@declare(targets=("binary", "multiclass", "multilabel", "real"), inputs="image")
def keras_application(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    application: str = "MobileNetV2",
    weights: str | None = None,
    size: Count | None = None,
    trainable: bool = True,
    dropout: Decay = 0.0,
    options: Mapping[str, Any] | None = None,
    initializer: Initializer = None,
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
) -> keras.Model:
    """Return the network without its own top, the mean over the image, and a head.

    Images are taken to be in [0, 1]. They are resized where they are smaller than the network's least size, one
    channel becomes three equal ones, and the network's own `preprocess_input` follows.

    Args:
        inputs, target: of the data; one image.
        head: activation of the last layer.
        application: a function of `keras.applications`.
        weights: None for random ones, ``imagenet`` (a download), or a weights file.
        size: height and width to which images are resized; None: as they are, or the network's least.
        trainable: False: only the head learns.
        dropout: share of the pooled features set to 0 while training.
        options: further arguments of the function, such as `alpha`.
        initializer: of the kernels; None: the network's own.
        regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the pooled features.

    Raises:
        UserError: there is no such network, it refuses its arguments, or the data is no single image.
    """
    known = [k for k, v in vars(keras.applications).items() if k[0].isupper() and callable(v)]
    if application not in known:
        raise UserError(
            Problem(
                "model.application",
                f"expected one of {', '.join(known)}, got {application!r}.{did_you_mean(str(application), known)}",
            )
        )
    own = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    spec, x = only(pairs, "image", "keras_application", "model=mlp")
    height, width = (size or max(side, LEAST.get(application, 32)) for side in spec.shape[:2])
    if (height, width) != spec.shape[:2]:
        x = layers.Resizing(height, width, name="resize")(x)
    if spec.shape[2] == 1:
        x = layers.Concatenate(name="three_channels")([x, x, x])
    function = getattr(keras.applications, application)
    x = sys.modules[function.__module__].preprocess_input(layers.Rescaling(255.0, name="as_bytes")(x))
    try:
        base = function(
            include_top=False, weights=weights, input_shape=(height, width, x.shape[-1]), **(options or {})
        )
    except Exception as error:
        raise UserError(
            Problem("model.application", f"{application} refused: {str(error).splitlines()[0]}")
        ) from error
    if any(v is not None for v in (own.initializer, own.regularizer, own.bias_regularizer, own.constraint)):
        base = _with(own, base, keep=weights is not None)
    base.trainable = trainable
    x = layers.GlobalAveragePooling2D(name="mean", activity_regularizer=own.activity_regularizer)(base(x))
    x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(opened, add_head(x, target, head, own), name="keras_application")


def _with(own: Weights, base: keras.Model, keep: bool) -> keras.Model:
    """Return the network with our initializer, regularizers and constraint in each layer that has kernels."""

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        for kernel in KERNELS:
            if f"{kernel}_regularizer" not in config:
                continue
            arguments = own.conv()
            config[f"{kernel}_regularizer"] = own.regularizer
            config[f"{kernel}_constraint"] = own.constraint
            config["bias_regularizer"] = own.bias_regularizer
            if own.initializer is not None:
                config[f"{kernel}_initializer"] = arguments["kernel_initializer"]
        return type(layer).from_config(config)

    cloned = keras.models.clone_model(base, clone_function=clone)
    if keep:
        cloned.set_weights(base.get_weights())
    return cloned
