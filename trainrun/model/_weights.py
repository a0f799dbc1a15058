"""How a model's weights begin, what is added to the loss for them, and what they may not exceed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from trainrun.errors import Problem, UserError


class Weights:
    """The shared weight arguments of the models, dealt out layer by layer.

    A Keras initializer gives the same numbers each time it is called, so one object in several layers would
    start them alike. Each layer therefore gets a copy of its own: the first as it is, the next ones with seeds
    derived from it, so that a seeded initializer starts the same model every time. Without a seed, each copy draws
    one from the run's.

    Args:
        initializer: of the kernels; a name or a Keras initializer, None for the layer's own.
        regularizer: penalty on the kernels.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the outputs of the hidden layers, or of the head where there is none
            hidden; Keras divides it by the batch's size.
        constraint: on the kernels, after each step.
    """

    def __init__(
        self,
        initializer: Any = "glorot_uniform",
        regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        constraint: Any = None,
    ):
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.activity_regularizer = keras.regularizers.get(activity_regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.dealt = 0

    def next_initializer(self) -> Callable[..., Any] | None:
        """Return a copy of the initializer for one more kernel."""
        if not isinstance(self.initializer, keras.initializers.Initializer):
            return self.initializer
        config = self.initializer.get_config()
        if isinstance(config.get("seed"), int):
            config["seed"] = derived_seed(config["seed"], self.dealt)
        self.dealt += 1
        return type(self.initializer).from_config(config)

    def dense(self, activity: bool = True, bias: bool = True) -> dict[str, Any]:
        """Return the arguments of one dense layer.

        Args:
            activity: whether its outputs are penalized: true of a layer that ends with its activation.
            bias: whether the layer has one.
        """
        return {
            "kernel_initializer": self.next_initializer() or "glorot_uniform",
            "kernel_regularizer": self.regularizer,
            "kernel_constraint": self.constraint,
            "bias_regularizer": self.bias_regularizer if bias else None,
            "activity_regularizer": self.activity_regularizer if activity else None,
        }

    def conv(self, activity: bool = True, bias: bool = True) -> dict[str, Any]:
        """Return the arguments of one convolution, as `dense`.

        Raises:
            UserError: the regularizer takes matrices only.
        """
        if isinstance(self.regularizer, keras.regularizers.OrthogonalRegularizer):
            raise UserError(
                Problem(
                    "model.regularizer",
                    "orthogonal_regularizer takes matrices, and this model has convolutions, whose kernels have four "
                    "axes. Try l2, or model=mlp.",
                )
            )
        return self.dense(activity, bias)

    def recurrent(self) -> dict[str, Any]:
        """Return the arguments of one recurrent layer; the penalty holds for its recurrent kernel too."""
        return {
            **self.dense(),
            "recurrent_regularizer": self.regularizer,
            "recurrent_constraint": self.constraint,
        }


def derived_seed(seed: int, index: int) -> int:
    """Return the seed of copy number `index`: the first keeps its own."""
    return (
        seed if index == 0 else int(np.random.SeedSequence([seed % 2**32, index]).generate_state(1)[0] >> 1)
    )
