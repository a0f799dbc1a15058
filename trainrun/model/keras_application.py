"""An image network of `keras.applications` with an output layer for the data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean, first_line
from trainrun.model import stored_weights
from trainrun.model._blocks import output_layer
from trainrun.model._inputs import input_tensors, single_input
from trainrun.model._weights import Weights
from trainrun.util import paths
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer
from trainrun.util.declarations import declare

# Smallest height and width of the input, in pixels, where it is not 32.
MINIMUM_SIZE = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
# Prefixes of the kernel arguments (`kernel_regularizer`, `depthwise_regularizer` …) in the layers of these networks.
KERNELS = ("kernel", "depthwise", "pointwise")


@declare(targets=("binary", "multiclass", "multilabel", "real", "named"), inputs="image")
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
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build the network without its classification layer, then global average pooling and an output layer.

    Images must have values in [0, 1]. Images smaller than the network's minimum size are resized, a single channel is
    repeated three times, and the network's own `preprocess_input` is applied.

    Args:
        inputs, target: specs of the data; one image `[height, width, channels]`.
        head: activation of the output layer; None for logits, scores and real numbers.
        application: name of a function of `keras.applications`; default ``MobileNetV2``.
        weights: ``imagenet`` (downloaded), a weights file, or None, the default: random.
        size: height and width to which images are resized, in pixels; default None: unchanged, or the network's minimum.
        trainable: False trains the output layer only; default True.
        dropout: fraction of the pooled features set to 0 during training, in [0, 1); default 0.
        options: further arguments of the function, such as `alpha`; default None.
        initializer: of the kernels; default None: the network's own.
        regularizer, constraint: of the kernels; default None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the pooled features, per example; default None.

    Raises:
        UserError: there is no such network, it refuses its arguments, or the data is not a single image.
    """
    known = [k for k, v in vars(keras.applications).items() if k[0].isupper() and callable(v)]
    if application not in known:
        raise UserError(
            Problem(
                "model.application",
                f"expected one of {', '.join(known)}, got {application!r}.{did_you_mean(str(application), known)}",
            )
        )
    of_file = weights not in (None, "imagenet")
    if of_file and (fault := paths.fault(weights, ".weights.h5", "model.weights=net.weights.h5")):
        raise UserError(Problem("model.weights", fault))
    own = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    spec, x = single_input(pairs, "image", "keras_application", "model=mlp")
    height, width = (size or max(side, MINIMUM_SIZE.get(application, 32)) for side in spec.shape[:2])
    if (height, width) != spec.shape[:2]:
        x = ops.image.resize(x, (height, width))  # `Resizing` would set training=True: see `array_front`
    if spec.shape[2] == 1:
        x = layers.Concatenate(name="three_channels")([x, x, x])
    function = getattr(keras.applications, application)
    x = sys.modules[function.__module__].preprocess_input(layers.Rescaling(255.0, name="as_bytes")(x))
    try:
        base = function(
            include_top=False,
            weights=None if of_file else weights,
            input_shape=(height, width, x.shape[-1]),
            **(options or {}),
        )
    except Exception as error:
        if weights == "imagenet":
            text = (
                f"the weights of {application} could not be downloaded: {first_line(error)} Without a network, save them "
                f"elsewhere, keras.applications.{application}(include_top=False).save_weights('net.weights.h5'), and name the file."
            )
            raise UserError(Problem("model.weights", text)) from error
        raise UserError(
            Problem("model.application", f"{application} refused: {first_line(error)}")
        ) from error
    if of_file:
        way_out = "Name a file of this network without its top, made with the same model.options."
        stored_weights.set_all(base, paths.expanded(weights), "model.weights", application, way_out)
    if any(v is not None for v in (own.initializer, own.regularizer, own.bias_regularizer, own.constraint)):
        base = _with_arguments(own, base, keep_weights=weights is not None)
    base.trainable = trainable
    x = layers.GlobalAveragePooling2D(name="mean", activity_regularizer=own.activity_regularizer)(base(x))
    x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(tensors, output_layer(x, target, head, own), name="keras_application")


def _with_arguments(own: Weights, base: keras.Model, keep_weights: bool) -> keras.Model:
    """Return a copy of the network with the initializer, regularizers and constraint in each layer that has kernels."""

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
    if keep_weights:
        cloned.set_weights(base.get_weights())
    return cloned
