"""Gradient accumulation: the gradient of a batch that is too large for the memory, computed in parts for one update."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private


class Accumulate:
    """The default step with gradient accumulation: forward and backward passes of the parts in sequence, then one update.

    Loss and gradient are those of the whole batch, except for layers that depend on the batch: dropout draws a mask per part,
    batch normalization averages over each part.

    Args:
        parts: number of parts; the activations of one part are in memory at a time.

    Raises:
        ValueError: (at the first step) the loss is not a sum over examples.
    """

    def __init__(self, parts: int):
        self.parts = parts

    def __call__(
        self, model: keras.Model, x: Any, y: tf.Tensor, weight: tf.Tensor | None, share: Any, /
    ) -> tuple[tf.Tensor, Any]:
        """Take one step; arguments and results are those of `trainrun.step.default`."""
        if (reason := refusal(model)) is not None:
            raise ValueError(reason)
        variables = model.trainable_weights
        size = tf.shape(tf.nest.flatten(y)[0])[0]
        parts = tf.minimum(self.parts, size)  # the last batch may have fewer examples

        def body(i: tf.Tensor, total: tf.Tensor, sums: list, outputs: Any) -> tuple:
            part = slice(i * size // parts, (i + 1) * size // parts)
            part_x, part_y, part_weight = tf.nest.map_structure(
                lambda a: None if a is None else a[part], (x, y, weight)
            )
            part_share = fraction(model, size, weight, part.stop - part.start, part_weight)
            with tf.GradientTape() as tape:
                y_pred = model(part_x, training=True)
                loss = model.compute_loss(part_x, part_y, y_pred, part_weight, training=True)
                loss = loss * share * tf.cast(part_share, loss.dtype)
                scaled = model.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            sums = [s + tf.convert_to_tensor(g) for s, g in zip(sums, gradients, strict=True)]
            written = [array.write(i, y) for array, y in zip(outputs, tf.nest.flatten(y_pred), strict=True)]
            return i + 1, total + tf.cast(loss, total.dtype), sums, written

        spec = _output_spec(model, x)
        start = (
            tf.constant(0),
            tf.zeros((), keras.config.floatx()),
            [tf.zeros(v.shape, v.dtype) for v in variables],
            [
                tf.TensorArray(one.dtype, parts, infer_shape=False, element_shape=[None, *one.shape[1:]])
                for one in keras.tree.flatten(spec)
            ],
        )
        # One part at a time: parallel iterations would need the memory of the whole batch.
        _, loss, gradients, outputs = tf.while_loop(
            lambda i, *_: i < parts, body, start, parallel_iterations=1
        )
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss, keras.tree.pack_sequence_as(spec, [array.concat() for array in outputs])


def _output_spec(model: keras.Model, x: Any) -> Any:
    """Return shapes and dtypes of a model's outputs for a batch, as symbolic tensors; nothing is computed."""
    if getattr(model, "outputs", None):
        return model.output
    # A subclassed model has no graph.
    return model.compute_output_spec(
        keras.tree.map_structure(lambda t: keras.KerasTensor(t.shape, t.dtype.name), x)
    )


def fraction(model: keras.Model, size: Any, weight: Any, part_size: Any, part_weight: Any) -> tf.Tensor:
    """Return the weight of a part's loss in the loss of the whole batch, by the loss's reduction.

    Args:
        model: compiled.
        size, part_size: number of examples of the batch and of the part.
        weight, part_weight: their sample weights, `[size]` and `[part_size]`, or None.

    Returns:
        A scalar; the weights of all parts sum to 1, or are 1 each for the reduction ``sum``.
    """
    if reduction(model) == "mean_with_sample_weight" and weight is not None:
        return tf.math.divide_no_nan(tf.reduce_sum(part_weight), tf.reduce_sum(weight))
    if reduction(model) == "sum":
        return tf.constant(1.0)
    return tf.cast(part_size, tf.float32) / tf.cast(size, tf.float32)


def reduction(model: keras.Model) -> str:
    """Return the reduction of the model's loss over examples, of several outputs' losses the common one; a plain function has Keras' default."""
    return _reductions(model)[0]


def _losses(model: keras.Model) -> list[Any]:
    return [*model.loss.values()] if isinstance(model.loss, dict) else [model.loss]


def _reductions(model: keras.Model) -> list[str]:
    """Return the different reductions of the losses."""
    return [
        *dict.fromkeys(getattr(one, "reduction", None) or "sum_over_batch_size" for one in _losses(model))
    ]


def refusal(model: keras.Model) -> str | None:
    """Return the reason why a model's batches cannot be split into parts, or None if they can."""
    # Set by `registry.construct` for a loss that declares it: its value is not a sum over parts of a batch.
    for loss in _losses(model):
        if getattr(loss, "whole_batch", False):
            name = getattr(loss, "__name__", type(loss).__name__)
            return (
                f"trainer.accumulate needs a loss that is a sum over examples; {name} is one "
                "number for the whole batch. Set trainer.accumulate=1, or choose another loss."
            )
    if (reason := parts_refusal(model)) is not None:
        return reason
    if reduction(model) == "sum" and model.losses:
        return (
            "trainer.accumulate would count the penalties once for each part of the batch, because the loss is "
            "summed and not averaged. Set loss.reduction=sum_over_batch_size."
        )
    return None


def parts_refusal(model: keras.Model) -> str | None:
    """Return the reason why the loss of a batch is not the sum of its parts' losses, each times one share, or None."""
    if not isinstance(model.loss, dict) or _reductions(model) in (["sum_over_batch_size"], ["sum"]):
        return None
    return (
        f"the losses of the outputs have the reductions {', '.join(_reductions(model))}, by which their batches cannot be divided. "
        "Set loss.<output>.reduction=sum_over_batch_size for each."
    )


def divide(model: keras.Model, parts: int) -> None:
    """Make Keras' own loops split each batch into parts; for a model on one device.

    `train_step` is replaced on the instance, not in a subclass, so that the model is saved as a plain Keras model.

    Args:
        model: compiled, with Keras' own `train_step`; changed in place.
        parts: number of parts; see `Accumulate`.
    """
    step = Accumulate(parts)

    def train_step(data: tuple) -> dict[str, Any]:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        loss, y_pred = step(model, x, y, weight, 1.0)
        keras_model_private.count_loss(model, loss, tf.shape(tf.nest.flatten(y)[0])[0])
        return model.compute_metrics(x, y, y_pred, sample_weight=weight)

    model.train_step = train_step
