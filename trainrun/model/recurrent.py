"""An embedding and recurrent layers, for what comes in an order."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.model._blocks import head as add_head
from trainrun.model._blocks import listed
from trainrun.model._inputs import open_inputs, sequence
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare

KINDS = {"lstm": layers.LSTM, "gru": layers.GRU, "simple": layers.SimpleRNN}


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
    inputs=("numeric", "categorical", "image", "tokens"),
)
def recurrent(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    kind: str = "lstm",
    units: Sizes = (32,),
    embedding: Count = 16,
    bidirectional: bool = False,
    mask_zero: bool = False,
    dropout: Decay = 0.0,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
) -> keras.Model:
    """Return recurrent layers one upon another; the last one's last state goes to the head.

    Tokens are steps; so are an image's rows, and a table's columns.

    Args:
        inputs, target: of the data.
        head: activation of the last layer.
        kind: ``lstm``, ``gru`` or ``simple``.
        units: width of each recurrent layer.
        embedding: width of each step as it goes in.
        bidirectional: read from both ends; doubles the width.
        mask_zero: token 0 is padding, to be skipped.
        dropout: share of each layer's outputs set to 0 while training.
        initializer: of the input kernels; the recurrent kernels begin orthogonal.
        regularizer, constraint: of the input and the recurrent kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the recurrent layers' outputs.

    Reference:
        Hochreiter and Schmidhuber, Long short-term memory, 1997; Cho et al., Learning phrase representations
        using RNN encoder-decoder, 2014 (GRU).
    """
    widths = listed(units)
    if kind not in KINDS:
        raise UserError(
            Problem(
                "model.kind",
                f"expected one of {', '.join(KINDS)}, got {kind!r}.{did_you_mean(str(kind), KINDS)}",
            )
        )
    if not widths:
        raise UserError(
            Problem("model.units", "expected the width of at least one recurrent layer, got an empty list.")
        )
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    x = sequence(pairs, embedding, weights, mask_zero=mask_zero)
    for i, width in enumerate(widths):
        layer = _layer(kind, width, i, len(widths), weights)
        if bidirectional:
            # Both are made here: Keras would copy the one, seed and all, and both would begin alike.
            back = _layer(kind, width, i, len(widths), weights, go_backwards=True)
            layer = layers.Bidirectional(layer, backward_layer=back, name=f"both_{i + 1}")
        x = layer(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(opened, add_head(x, target, head, weights), name="recurrent")


def _layer(
    kind: str, width: int, i: int, count: int, weights: Weights, go_backwards: bool = False
) -> keras.Layer:
    name = f"{kind}_{i + 1}" + ("_back" if go_backwards else "")
    more = weights.recurrent()
    return KINDS[kind](width, return_sequences=i + 1 < count, go_backwards=go_backwards, name=name, **more)
