"""Norms of the loss terms' gradients, and the angles between them, as columns of the logs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.errors import Problem, UserError
from trainrun.util.arguments import Count
from trainrun.util.declarations import declare


@declare(adds_columns=True, reads_compiled_loss=True)
class GradientLogger(keras.callbacks.Callback):
    """Add the norm of the gradient to the logs of each epoch; of a model with several outputs also what each loss contributes.

    The gradient is that of the weights at the end of the epoch, with respect to all trainable weights, on one fixed batch of
    the training set in training mode (dropout, batch statistics). It is computed beside the training, whose random numbers,
    running statistics and metrics stay as they are.

    `gradient_norm` is the Euclidean norm of the gradient of the whole loss with penalties, before clipping; `churn_gradient_norm`
    that of the output's loss times its weight; `churn_spend_gradient_cosine` the cosine of the angle between two of them, from -1
    (what helps one output harms the other) to 1. A cosine with a gradient of zero is 0.

    Args:
        examples: size of the batch, drawn once by the run's seed; default 256, or all that there are.

    Attributes:
        batch: inputs, labels and sample weights; set by the run.

    Reference:
        Yu et al. 2020, Gradient Surgery for Multi-Task Learning, https://arxiv.org/abs/2001.06782
    """

    def __init__(self, examples: Count = 256):
        super().__init__()
        self.examples = examples
        self.batch: tuple[Any, Any, Any] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if type(self.model).train_step is not keras.Model.train_step:
            text = (
                f"it logs gradients of the compiled loss, but {type(self.model).__name__} trains by a train_step of its own. "
                "Leave it out, and return what you want to see from train_step."
            )
            raise UserError(Problem("callback.gradient_logger", text))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None and self.batch is not None:
            logs |= self._columns()

    def _columns(self) -> dict[str, float]:
        total, terms = self._gradients()
        columns = {"gradient_norm": float(np.linalg.norm(total))}
        columns |= {f"{name}_gradient_norm": float(np.linalg.norm(g)) for name, g in terms.items()}
        for (a, of_a), (b, of_b) in itertools.combinations(terms.items(), 2):
            norms = float(np.linalg.norm(of_a) * np.linalg.norm(of_b))
            columns[f"{a}_{b}_gradient_cosine"] = float(of_a @ of_b) / norms if norms else 0.0
        return columns

    def _gradients(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradient of the whole loss, and those of the outputs' losses if there are several, as vectors."""
        model, optimizer = self.model, self.model.optimizer
        x, y, weight = tf.nest.map_structure(
            lambda v: None if v is None else tf.convert_to_tensor(v), self.batch
        )
        values = [tf.convert_to_tensor(v) for v in model.trainable_variables]
        # What seed generators, running statistics and metrics are set to is dropped with the scope.
        scope = keras.StatelessScope(
            list(zip(model.trainable_variables, values, strict=True)), collect_losses=True
        )
        with tf.GradientTape(persistent=True) as tape, scope:
            tape.watch(values)
            y_pred = model(x, training=True)
            losses = {"": model.compute_loss(x, y, y_pred, weight, training=True)}
            if isinstance(y_pred, dict):
                losses |= keras_model_private.loss_terms(model, y, y_pred, weight)
            # mixed_float16: small gradients would become zero.
            scaled = {name: optimizer.scale_loss(loss) for name, loss in losses.items()}
        scale = float(optimizer.scale_loss(tf.constant(1.0)))
        vectors = {
            name: _vector(tape.gradient(loss, values, unconnected_gradients="zero"), scale)
            for name, loss in scaled.items()
        }
        return vectors.pop(""), vectors

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint: none, the batch follows from the seed."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `get_state`."""


def _vector(gradients: list[Any], scale: float) -> np.ndarray:
    # Those of embeddings are sparse.
    return np.concatenate([np.ravel(tf.convert_to_tensor(g)).astype("float64") for g in gradients]) / scale
