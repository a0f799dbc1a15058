"""Initializers, penalties and constraints of the models' weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from trainrun.errors import Problem, UserError


class Weights:
    """The weight arguments that all models share, as keyword arguments for each layer.

    A Keras initializer returns the same values at each call, so that layers which share one would start alike. The first layer
    gets it, the next ones copies with seeds derived from its seed. Without a seed, each draws one from the run's, as plain Keras' layers do.

    Args:
        initializer: of the kernels; a name or a Keras initializer; None: the layer's own. Default ``glorot_uniform``.
        regularizer: penalty on the kernels; default None.
        bias_regularizer: penalty on the biases; default None.
        activity_regularizer: penalty on the outputs of the hidden layers, or of the output layer if there are none; Keras
            divides it by the batch size. Default None.
        constraint: on the kernels, applied after each step; default None.
        bias_constraint: on the biases, applied after each step; default None.
    """

    def __init__(
        self,
        initializer: Any = "glorot_uniform",
        regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        constraint: Any = None,
        bias_constraint: Any = None,
    ):
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.activity_regularizer = keras.regularizers.get(activity_regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self._copies = 0

    def next_initializer(self) -> Callable[..., Any] | None:
        """Return a copy of the initializer for one more kernel; None: the layer's own."""
        if not isinstance(self.initializer, keras.initializers.Initializer):
            return self.initializer
        self._copies += 1
        if self._copies == 1:
            # Another draw would move those of all layers: plain Keras with the same layers and seed begins with the same weights.
            return self.initializer
        config = self.initializer.get_config()
        if isinstance(config.get("seed"), int):
            config["seed"] = derived_seed(config["seed"], self._copies - 1)
        return type(self.initializer).from_config(config)

    def dense(self, activity: bool = True, bias: bool = True) -> dict[str, Any]:
        """Return the keyword arguments of one dense layer.

        Args:
            activity: whether its outputs are penalized; only if the activation is part of the layer.
            bias: whether the layer has a bias.
        """
        return {
            "kernel_initializer": self.next_initializer() or "glorot_uniform",
            "kernel_regularizer": self.regularizer,
            "kernel_constraint": self.constraint,
            "bias_regularizer": self.bias_regularizer if bias else None,
            "bias_constraint": self.bias_constraint if bias else None,
            "activity_regularizer": self.activity_regularizer if activity else None,
        }

    def conv(self, activity: bool = True, bias: bool = True) -> dict[str, Any]:
        """Return the keyword arguments of one convolution; see `dense`.

        Raises:
            UserError: the regularizer takes matrices only.
        """
        if isinstance(self.regularizer, keras.regularizers.OrthogonalRegularizer):
            raise UserError(
                Problem(
                    "model.regularizer",
                    "orthogonal_regularizer takes matrices; the kernels of this model's convolutions or attention layers "
                    "have more axes. Try l2, or model=mlp.",
                )
            )
        return self.dense(activity, bias)

    def recurrent(self) -> dict[str, Any]:
        """Return the keyword arguments of one recurrent layer; its recurrent kernel has the same penalty and constraint."""
        return {
            **self.dense(),
            "recurrent_regularizer": self.regularizer,
            "recurrent_constraint": self.constraint,
        }


def derived_seed(seed: int, index: int) -> int:
    """Return the seed of copy `index`: `seed` for index 0, else a hash of both below 2^31."""
    return (
        seed if index == 0 else int(np.random.SeedSequence([seed % 2**32, index]).generate_state(1)[0] >> 1)
    )
