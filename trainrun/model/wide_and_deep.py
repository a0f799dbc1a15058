"""A linear part beside a perceptron over embeddings: for tables with categories."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import check_activation, hidden, listed
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import flat, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
    inputs=("numeric", "categorical", "image", "tokens"),
)
def wide_and_deep(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    units: Sizes = (64, 32),
    activation: str = "relu",
    dropout: Decay = 0.0,
    batch_norm: bool = False,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
) -> keras.Model:
    """Return `activation(wide V + deep(embedded) W + b)`.

    The wide part sees numbers as they are and categories one-hot; the deep part sees numbers and embeddings. One
    head over both side by side is the sum of two linear layers.

    Args:
        inputs, target: of the data.
        head: activation of the last layer.
        units: width of each hidden layer of the deep part.
        activation: of the hidden layers.
        dropout: share of each hidden layer's outputs set to 0 while training.
        batch_norm: normalize before each activation.
        initializer, regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: of the hidden layers' outputs.

    Reference:
        Cheng et al., Wide & deep learning for recommender systems, 2016.
    """
    check_activation(activation)
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    wide = flat(pairs, one_hot=True)
    x = flat(pairs, embed=True)
    for i, width in enumerate(listed(units)):
        x = hidden(
            x,
            width,
            weights,
            activation=activation,
            batch_norm=batch_norm,
            dropout=dropout,
            name=f"deep_{i + 1}",
        )
    both = layers.Concatenate(name="wide_and_deep")([wide, x])
    return keras.Model(
        opened, add_head(both, target, head, weights, activity=not listed(units)), name="wide_and_deep"
    )
