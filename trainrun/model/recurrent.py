"""An embedding and a stack of recurrent layers, for sequences."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.model._blocks import as_list, output_layer
from trainrun.model._inputs import input_tensors, sequence_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare

LAYERS = {"lstm": layers.LSTM, "gru": layers.GRU, "simple": layers.SimpleRNN}


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
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
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build a stack of recurrent layers; the last state of the last one is the input of the output layer.

    The steps of the sequence are tokens, an image's rows, or a table's columns.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer; None for logits, scores and real numbers.
        kind: ``lstm``, ``gru`` or ``simple``; default ``lstm``.
        units: width of each recurrent layer; default (32,).
        embedding: width of each step of the input sequence; default 16.
        bidirectional: read the sequence in both directions, which doubles the width; default False.
        mask_zero: treat token 0 as padding and skip it; default False.
        dropout: fraction of each layer's outputs set to 0 during training, in [0, 1); default 0.
        initializer: of the input kernels; default Glorot uniform. The recurrent kernels are orthogonal.
        regularizer, constraint: of the input and recurrent kernels; default None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the recurrent layers' outputs, per example; default None.

    Raises:
        UserError: `kind` is unknown, or `units` is empty.

    Reference:
        Hochreiter and Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8);
        Cho et al. 2014, https://arxiv.org/abs/1406.1078 (GRU)
    """
    widths = as_list(units)
    if kind not in LAYERS:
        raise UserError(
            Problem(
                "model.kind",
                f"expected one of {', '.join(LAYERS)}, got {kind!r}.{did_you_mean(str(kind), LAYERS)}",
            )
        )
    if not widths:
        raise UserError(
            Problem("model.units", "expected the width of at least one recurrent layer, got an empty list.")
        )
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    x = sequence_inputs(pairs, embedding, weights, mask_zero=mask_zero)
    for i, width in enumerate(widths):
        layer = _layer(kind, width, i, len(widths), weights)
        if bidirectional:
            # Both directions are created here: Keras would copy the first with its seed, and both would start alike.
            backward = _layer(kind, width, i, len(widths), weights, go_backwards=True)
            layer = layers.Bidirectional(layer, backward_layer=backward, name=f"both_{i + 1}")
        x = layer(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(tensors, output_layer(x, target, head, weights), name="recurrent")


def _layer(
    kind: str, width: int, i: int, count: int, weights: Weights, go_backwards: bool = False
) -> keras.Layer:
    name = f"{kind}_{i + 1}" + ("_back" if go_backwards else "")
    arguments = weights.recurrent()
    return LAYERS[kind](
        width, return_sequences=i + 1 < count, go_backwards=go_backwards, name=name, **arguments
    )
