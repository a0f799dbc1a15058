"""Linear and logistic regression: an output layer without hidden layers. A baseline."""

from __future__ import annotations

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import output_layer
from trainrun.model._inputs import flatten_inputs, input_tensors
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Initializer, Regularizer
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real", "named"),
    inputs=("numeric", "categorical", "image", "tokens"),
    dense_layers=True,
)
def linear(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    initializer: Initializer = "glorot_uniform",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    constraint: Constraint = None,
    bias_constraint: Constraint = None,
) -> keras.Model:
    """Build `activation(x W + b)` over all inputs, concatenated to `x`.

    Categorical columns are one-hot encoded; of tokens, `x` has the frequency of each.

    Args:
        inputs, target: specs of the data.
        head: activation of the output layer; None for logits, scores and real numbers.
        initializer, regularizer, constraint: of the kernel W; defaults Glorot uniform, None, None.
        bias_regularizer, bias_constraint: of the bias b; default None.
        activity_regularizer: of the output, per example; default None.
    """
    weights = Weights(
        initializer, regularizer, bias_regularizer, activity_regularizer, constraint, bias_constraint
    )
    tensors, pairs = input_tensors(inputs)
    return keras.Model(
        tensors,
        output_layer(flatten_inputs(pairs, one_hot=True), target, head, weights, activity=True),
        name="linear",
    )
