"""Type hints of the arguments of Keras' layers, references to other components included."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from trainrun.registry.lookup import keras_names
from trainrun.util.arguments import Count, Decay, Positive, Range, Reference, Share, Sizes

_LAYER = Annotated[Any, Reference("layer")]
_LAYERS = Annotated[list[Any], Reference("layer")]
_AXIS = int | Sequence[int] | None
_MARGINS = int | Sequence[int | Sequence[int]]
# Keras names these arguments alike in all of its layers (`kernel_initializer`); a test compares them with the signatures.
_WEIGHTS = {
    f"{weight}_{kind}": Annotated[Any, Reference(kind)]
    for kind in ("initializer", "regularizer", "constraint")
    for weight in ("alpha", "beta", "bias", "depthwise", "embeddings", "gamma", "kernel", "moving_mean", "moving_variance",
                   "pointwise", "recurrent")
} | {"activity_regularizer": Annotated[Any, Reference("regularizer")]}  # fmt: skip

# Classes, by a regular expression -> argument -> type hint.
_OWN: Mapping[str, Mapping[str, Any]] = {
    "Dense|.*LSTM(Cell)?|.*GRU(Cell)?|SimpleRNN(Cell)?": {"units": Count},
    ".*Conv.*": {
        "filters": Count,
        "groups": Count,
        "kernel_size": Sizes,
        "strides": Sizes,
        "dilation_rate": Sizes,
    },
    "(Depthwise|Separable)Conv.*": {"depth_multiplier": Count},
    ".*Pool.*": {"pool_size": Sizes, "output_size": Sizes, "strides": Sizes | None},
    "UpSampling.*": {"size": Sizes},
    "ZeroPadding.*": {"padding": _MARGINS},
    "Cropping.*": {"cropping": _MARGINS},
    "Permute": {"dims": list[int]},
    "RepeatVector": {"n": Count},
    "Reshape": {"target_shape": int | list[int]},
    "Resizing|CenterCrop|RandomCrop": {"height": Count, "width": Count},
    ".*Normalization|Softmax|Concatenate": {"axis": _AXIS},
    "GroupQueryAttention": {"head_dim": Count, "num_query_heads": Count, "num_key_value_heads": Count},
    "Hashing|HashedCrossing": {"num_bins": Count},
    ".*Dropout.*": {"rate": Decay},
    ".*(RNN|LSTM|GRU|ConvLSTM).*": {"dropout": Decay, "recurrent_dropout": Decay},
    ".*Attention": {"dropout": Decay},
    "BatchNormalization": {"momentum": Share, "renorm_momentum": Share},
    ".*Normalization": {"epsilon": Positive},
    "ActivityRegularization": {"l1": Annotated[float, Range(0)], "l2": Annotated[float, Range(0)]},
    "GaussianNoise": {"stddev": Positive},
    "MultiHeadAttention": {"num_heads": Count, "key_dim": Count},
    "(Reversible)?Embedding": {"input_dim": Count, "output_dim": Count},
    "Bidirectional": {"layer": _LAYER, "backward_layer": _LAYER},
    "TimeDistributed|SpectralNormalization": {"layer": _LAYER},
    "RNN": {"cell": Annotated[Any | list[Any], Reference("layer")]},
    "StackedRNNCells": {"cells": _LAYERS},
    "Pipeline": {"layers": _LAYERS},
}


def _of(name: str) -> Mapping[str, Any]:
    own = [hints for classes, hints in _OWN.items() if re.fullmatch(classes, name)]
    return functools.reduce(lambda a, b: {**a, **b}, own, _WEIGHTS)


ARGUMENTS: Mapping[str, Mapping[str, Any]] = {name: _of(name) for name in keras_names("layer")}
