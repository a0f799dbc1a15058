"""A multi-layer perceptron with sparse hidden activations: an activity penalty on them is added to the loss."""

from __future__ import annotations

import keras
from keras import layers

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import as_list, check_activation, dense_block, output_layer
from trainrun.model._inputs import flatten_inputs, input_tensors
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Count, Decay, Initializer, NotNegative, Regularizer, Sizes
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
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
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build a stack of dense layers, each followed by Keras' `ActivityRegularization`.

    That layer returns its input h and adds `(l1 Σ|h| + l2 Σh²) / batch size` to the loss: the penalty of one example,
    averaged over the batch.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer; None for logits, scores and real numbers.
        units: width of each hidden layer; default (64,).
        activation: of the hidden layers, a name of `keras.activations`; default ``relu``.
        l1: factor of Σ|h|, which drives outputs to 0; default 0.001.
        l2: factor of Σh², which keeps outputs small; default 0.
        dropout: fraction of each hidden layer's outputs set to 0 during training, after the penalty, in [0, 1); default 0.
        embedding: width of the tokens' embedding; default None: by the size of the vocabulary.
        initializer, regularizer, constraint: of the kernels; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the biases; default None.
        activity_regularizer: a further penalty on the hidden layers' outputs, per example; default None.

    Raises:
        UserError: the activation is unknown.
    """
    check_activation(activation)
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    x = flatten_inputs(pairs, embedding=embedding)
    for i, width in enumerate(as_list(units)):
        x = dense_block(x, width, weights, activation=activation, name=f"hidden_{i + 1}")
        x = layers.ActivityRegularization(l1=l1, l2=l2, name=f"sparse_{i + 1}")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(tensors, output_layer(x, target, head, weights), name="sparse_mlp")
