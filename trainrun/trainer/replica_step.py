"""The step of a pass whose batch is divided among replicas of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.step import _result
from trainrun.step._accumulate import fraction, reduction
from trainrun.trainer.held_arrays import gathered

if TYPE_CHECKING:
    from trainrun.trainer.compiled_epoch import Pass


def take(steps: Pass, index: tf.Tensor, data: tuple, at: tf.Tensor) -> None:
    """Divide a batch among the replicas so that the sum of their losses is the loss of the whole batch.

    Args:
        steps: the pass.
        index: of the batch's examples.
        data: that they are taken from.
        at: the number of examples of the call before the batch.
    """
    model, replicas = steps.model, steps.strategy.num_replicas_in_sync
    size = tf.shape(index)[0]
    # Gathered on the device of the data: on a replica's device, all of the data would be copied there at each step.
    with tf.device("cpu:0"):
        # Augmented as a whole, because an example may be mixed with one of another replica.
        whole_batch = None if steps.augment is None else steps.examples(index, data, at)
        weights = gathered(data[2], index, steps.arrays[2]) if whole_batch is None else whole_batch[2]

    def replica() -> None:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        start, stop = number * size // replicas, (number + 1) * size // replicas
        # A replica without an example of a small last batch takes one with share 0: it must take part in the sum of the
        # gradients, and the mean of an empty batch is undefined.
        end = tf.maximum(stop, start + 1)
        with tf.device("cpu:0"):
            if whole_batch is None:
                x, y, weight = gathered(data, index[start:end], steps.arrays)
            else:
                x, y, weight = tf.nest.map_structure(
                    lambda a: None if a is None else a[start:end], whole_batch
                )
        if reduction(model) == "sum":
            share = tf.constant(1.0)
        else:
            part_weights = tf.nest.map_structure(lambda a: None if a is None else a[start:stop], weights)
            # Keras divides the loss of each replica by the number of replicas, as if their parts were equal.
            share = replicas * fraction(model, size, weights, stop - start, part_weights)
        # For the metrics `data_loss` and `penalty`, in which an example with share 0 must not count.
        steps.state.examples_of_replica = stop - start
        loss, y_pred = _result.taken(steps.step, model, x, y, weight, share)
        steps.state.examples_of_replica = None
        # The sums over the replicas are (loss of the whole batch) · size, and size.
        keras_model_private.count_loss(model, loss * replicas, tf.cast(size, loss.dtype) / replicas)

        def measure() -> tf.Tensor:
            model.compute_metrics(x, y, y_pred, sample_weight=weight)
            return tf.constant(0)

        if steps.some_are_empty:
            tf.cond(stop > start, measure, lambda: tf.constant(0))
        else:
            measure()

    steps.strategy.run(replica)
