"""Linear and logistic regression: one layer, no hidden one. The baseline to beat."""

from __future__ import annotations

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._blocks import head as add_head
from trainrun.model._inputs import flat, open_inputs
from trainrun.model._weights import Weights
from trainrun.util.arguments import Constraint, Initializer, Regularizer
from trainrun.util.declarations import declare


@declare(
    targets=("binary", "multiclass", "multilabel", "real"),
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
) -> keras.Model:
    """Return `activation(x W + b)` over all inputs side by side.

    Categorical columns are one-hot; of tokens the share of each is taken.

    Args:
        inputs, target: of the data.
        head: activation of the layer.
        initializer, regularizer, constraint: of the kernel.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
    """
    weights = Weights(initializer, regularizer, bias_regularizer, activity_regularizer, constraint)
    opened, pairs = open_inputs(inputs)
    return keras.Model(
        opened, add_head(flat(pairs, one_hot=True), target, head, weights, activity=True), name="linear"
    )
