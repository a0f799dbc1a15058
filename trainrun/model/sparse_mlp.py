"""A perceptron whose hidden units are mostly silent: the sum of their outputs is added to the loss."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import check_activation, hidden, listed
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import flat, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, NotNegative, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
    inputs=("numeric", "categorical", "image", "tokens"),
)
def sparse_mlp(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    units: Sizes = (64,),
    activation: str = "relu",
    l1: NotNegative = 0.001,
    l2: NotNegative = 0.0,
    dropout: Decay = 0.0,
    embedding: Count | None = None,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
) -> keras.Model:
    """Return dense layers, each followed by a layer that adds `(l1 Σ|h| + l2 Σh²) / batch` to the loss.

    That layer is Keras' `ActivityRegularization`, which calls `add_loss` and passes its input on. The penalty is an
    example's, averaged over the batch, so it does not grow with the batch's size.

    Args:
        inputs, target: of the data.
        head: activation of the last layer.
        units: width of each hidden layer.
        activation: of the hidden layers.
        l1: factor of the outputs' absolute values: many outputs become 0.
        l2: factor of their squares: no output becomes large.
        dropout: share of each hidden layer's outputs set to 0 while training, after the penalty.
        embedding: width of the tokens' embedding; None: by the vocabulary.
        initializer, regularizer, constraint: of the kernels.
        bias_regularizer: of the biases.
        activity_regularizer: a further penalty on the hidden layers' outputs.
    """
    check_activation(activation)
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    x = flat(pairs, embedding=embedding)
    for i, width in enumerate(listed(units)):
        x = hidden(x, width, weights, activation=activation, name=f"hidden_{i + 1}")
        x = layers.ActivityRegularization(l1=l1, l2=l2, name=f"sparse_{i + 1}")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(opened, add_head(x, target, head, weights), name="sparse_mlp")
