"""A multi-layer perceptron: a stack of dense layers. Takes every kind of input."""

from __future__ import annotations

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import as_list, check_activation, dense_stack, output_layer
from trainrun.model._inputs import flatten_inputs, input_tensors
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
    inputs=("numeric", "categorical", "image", "tokens"),
    dense_layers=True,
)
def mlp(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    units: Sizes = (64, 32),
    activation: str = "relu",
    dropout: Decay = 0.0,
    batch_norm: bool = False,
    embedding: Count | None = None,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build a stack of dense layers over all inputs, concatenated to vectors.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer; None for logits, scores and real numbers.
        units: width of each hidden layer, an empty list for none; default (64, 32).
        activation: of the hidden layers, a name of `keras.activations`; default ``relu``.
        dropout: fraction of each hidden layer's outputs set to 0 during training, in [0, 1); default 0.
        batch_norm: add batch normalization before each activation; default False.
        embedding: width of the tokens' embedding; default None: by the size of the vocabulary.
        initializer, regularizer, constraint: of the kernels; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the hidden layers' outputs, per example; default None.

    Raises:
        UserError: the activation is unknown.
    """
    check_activation(activation)
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    x = flatten_inputs(pairs, embedding=embedding)
    x = dense_stack(
        x, units, weights, activation=activation, batch_norm=batch_norm, dropout=dropout, name="hidden"
    )
    return keras.Model(
        tensors, output_layer(x, target, head, weights, activity=not as_list(units)), name="mlp"
    )
