"""One step on a batch that is too large for the memory: its gradient in parts, its update once."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private


class Accumulate:
    """The default step in `parts`: each part's forward and backward pass after the other, then one update.

    The loss and its gradient are those of the whole batch. What a layer draws or averages over a batch is not:
    dropout draws for each part, batch normalization averages over each part.

    Args:
        parts: how many; the memory for activations is that of one part.

    Raises:
        ValueError: (at the first step) the loss is no sum over examples.
    """

    def __init__(self, parts: int):
        self.parts = parts

    def __call__(
        self, model: keras.Model, x: Any, y: tf.Tensor, weight: tf.Tensor | None, share: Any, /
    ) -> tuple[tf.Tensor, Any]:
        """Take the step; arguments and result are those of the default step."""
        if (reason := refusal(model)) is not None:
            raise ValueError(reason)
        variables = model.trainable_weights
        size = tf.shape(y)[0]
        parts = tf.minimum(self.parts, size)  # a last batch may have fewer examples

        def body(i: tf.Tensor, total: tf.Tensor, sums: list, outputs: tf.TensorArray) -> tuple:
            part = slice(i * size // parts, (i + 1) * size // parts)
            mine = tf.nest.map_structure(lambda a: a[part], x)
            its_weight = None if weight is None else weight[part]
            of_whole = fraction(model, size, weight, part.stop - part.start, its_weight)
            with tf.GradientTape() as tape:
                y_pred = model(mine, training=True)
                loss = model.compute_loss(mine, y[part], y_pred, its_weight, training=True)
                loss = loss * share * tf.cast(of_whole, loss.dtype)
                scaled = model.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            sums = [s + tf.convert_to_tensor(g) for s, g in zip(sums, gradients, strict=True)]
            return i + 1, total + tf.cast(loss, total.dtype), sums, outputs.write(i, y_pred)

        spec = model.output
        start = (
            tf.constant(0),
            tf.zeros((), keras.config.floatx()),
            [tf.zeros(v.shape, v.dtype) for v in variables],
            tf.TensorArray(spec.dtype, parts, infer_shape=False, element_shape=[None, *spec.shape[1:]]),
        )
        # One part at a time: run side by side, they would need the memory of the whole batch.
        _, loss, gradients, outputs = tf.while_loop(
            lambda i, *_: i < parts, body, start, parallel_iterations=1
        )
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss, outputs.concat()


def fraction(model: keras.Model, size: Any, weight: Any, part_size: Any, part_weight: Any) -> tf.Tensor:
    """Return what a part's loss counts for in the loss of the whole, by the loss's reduction.

    Args:
        model: compiled.
        size, part_size: examples.
        weight, part_weight: their weights, or None.
    """
    if reduction(model) == "mean_with_sample_weight" and weight is not None:
        return tf.math.divide_no_nan(tf.reduce_sum(part_weight), tf.reduce_sum(weight))
    if reduction(model) == "sum":
        return tf.constant(1.0)
    return tf.cast(part_size, tf.float32) / tf.cast(size, tf.float32)


def reduction(model: keras.Model) -> str:
    """Return how the model's loss is summed up over examples; that of a plain function is Keras' default."""
    return getattr(model.loss, "reduction", None) or "sum_over_batch_size"


def refusal(model: keras.Model) -> str | None:
    """Return why a model's batches cannot be taken in parts, or None if they can."""
    # `registry.construct` marks a loss that declares it: no sum over parts of a batch gives its value.
    if getattr(model.loss, "whole_batch", False):
        name = getattr(model.loss, "__name__", type(model.loss).__name__)
        return (
            f"trainer.accumulate needs a loss that is a sum over examples; {name} is one "
            "number for the whole batch. Set trainer.accumulate=1, or take another loss."
        )
    if reduction(model) == "sum" and model.losses:
        return (
            "trainer.accumulate would count the penalties once for each part of the batch, because the loss is "
            "summed and not averaged. Set loss.reduction=sum_over_batch_size."
        )
    return None


def divide(model: keras.Model, parts: int) -> None:
    """Let Keras' own loops take each batch in so many parts; for a model on one device.

    `train_step` is replaced on the instance, so that the model stays a plain Keras model and saves as one.

    Args:
        model: compiled, with Keras' own `train_step`; changed in place.
        parts: see `Accumulate`.
    """
    step = Accumulate(parts)

    def train_step(data: tuple) -> dict[str, Any]:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        loss, y_pred = step(model, x, y, weight, 1.0)
        keras_model_private.count_loss(model, loss, tf.shape(y)[0])
        return model.compute_metrics(x, y, y_pred, sample_weight=weight)

    model.train_step = train_step
