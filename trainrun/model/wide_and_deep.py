"""A linear model and a multi-layer perceptron with embeddings, trained jointly: for tables with categorical columns."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import as_list, check_activation, dense_stack, output_layer
from trainrun.model._inputs import flatten_inputs, input_tensors
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Decay, Initializer, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
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
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build `activation(wide V + deep(embedded) W + b)`.

    The wide part has numbers and one-hot encoded categories, the deep part has numbers and embeddings. One output layer
    over the concatenation of both is the sum of two linear layers.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer; None for logits, scores and real numbers.
        units: width of each hidden layer of the deep part; default (64, 32).
        activation: of the hidden layers, a name of `keras.activations`; default ``relu``.
        dropout: fraction of each hidden layer's outputs set to 0 during training, in [0, 1); default 0.
        batch_norm: add batch normalization before each activation; default False.
        initializer, regularizer, constraint: of the kernels; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: of the hidden layers' outputs, per example; default None.

    Raises:
        UserError: the activation is unknown.

    Reference:
        Cheng et al. 2016, Wide & Deep Learning for Recommender Systems, https://arxiv.org/abs/1606.07792
    """
    check_activation(activation)
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    wide = flatten_inputs(pairs, one_hot=True)
    x = flatten_inputs(pairs, embed=True)
    x = dense_stack(
        x, units, weights, activation=activation, batch_norm=batch_norm, dropout=dropout, name="deep"
    )
    both = layers.Concatenate(name="wide_and_deep")([wide, x])
    return keras.Model(
        tensors, output_layer(both, target, head, weights, activity=not as_list(units)), name="wide_and_deep"
    )
