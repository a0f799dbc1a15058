"""A multi-layer perceptron: dense layers one after another. Takes every kind of input."""

from __future__ import annotations

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import check_activation, hidden, listed
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import flat, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
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
) -> keras.Model:
    """Return dense layers over all inputs side by side.

    Args:
        inputs, target: of the data.
        head: activation of the last layer.
        units: width of each hidden layer; empty: none.
        activation: of the hidden layers.
        dropout: share of each hidden layer's outputs set to 0 while training.
        batch_norm: normalize before each activation.
        embedding: width of the tokens' embedding; None: by the vocabulary.
        initializer, regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the hidden layers' outputs.
    """
    check_activation(activation)
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    x = flat(pairs, embedding=embedding)
    for i, width in enumerate(listed(units)):
        x = hidden(
            x,
            width,
            weights,
            activation=activation,
            batch_norm=batch_norm,
            dropout=dropout,
            name=f"hidden_{i + 1}",
        )
    return keras.Model(opened, add_head(x, target, head, weights, activity=not listed(units)), name="mlp")
