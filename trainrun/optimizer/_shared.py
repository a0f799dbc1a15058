"""What our optimizers share: sparse gradients done right, and the wrapping of other optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_optimizer_private, tensorflow_private

# Arguments of every Keras optimizer beside its learning rate, in the order of Keras' own signatures.
SHARED = (
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)
# Names that YAMLs use and Keras does not know.
SHORT = {
    "sgdm": lambda: keras.optimizers.SGD(momentum=0.9),
    "nag": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
}


def totals(gradient: tf.IndexedSlices) -> tuple[Any, Any, Any]:
    """Sum the rows of a sparse gradient that have the same index.

    Not by `tf.unique`: all shapes here are known before it runs, which XLA needs. It compiles `tf.unique` too, but
    a result that goes through it twice keeps rows that are not there (TensorFlow 2.21).

    Returns:
        `(indices, values, first)`: the indices, sorted; for each of them the sum of all rows of that index, so
        that equal indices have equal values; and whether it is the first of its index.
    """
    order = tf.argsort(gradient.indices, stable=True)
    indices = tf.gather(gradient.indices, order)
    first = tf.concat([tf.ones_like(indices[:1], tf.bool), indices[1:] != indices[:-1]], axis=0)
    segment = tf.cumsum(tf.cast(first, tf.int32)) - 1
    sums = tf.math.unsorted_segment_sum(tf.gather(gradient.values, order), segment, tf.shape(indices)[0])
    return indices, tf.gather(sums, segment), first


def deduplicated(gradient: Any) -> Any:
    """Return a sparse gradient whose rows of one index are summed into the first of them, the others zero.

    A dense gradient comes back as it is.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices, values, first = totals(gradient)
    first = tf.reshape(first, [-1] + [1] * (values.shape.rank - 1))
    return tf.IndexedSlices(tf.where(first, values, 0), indices, gradient.dense_shape)


def densified(gradient: Any, variable: Any) -> Any:
    """Return a sparse gradient as a tensor of its variable's shape; rows of one index are summed."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])


class Optimizer(keras.optimizers.Optimizer):
    """A Keras optimizer whose sparse gradients (`tf.IndexedSlices`) are summed before anything else.

    Keras 3.15 clips and squares the rows that a batch uses twice before it sums them, so that an embedding's
    second moment differs from the dense one, and fails on `loss_scale_factor` with a sparse gradient.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._sparse_keys = set()

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        grads = list(grads)
        if not grads:
            return
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        self._remember_sparse(grads, variables)
        if self.loss_scale_factor is not None:
            # Keras unscales with `/`, which IndexedSlices do not have.
            grads = [densified(g, v) for g, v in zip(grads, variables, strict=True)]
        super().apply(grads, trainable_variables)

    def _remember_sparse(self, grads: list[Any], variables: list[Any]) -> None:
        """Keep which variables had sparse gradients, for where only their dense sum arrives."""
        self._sparse_keys.update(
            self._var_key(v) for g, v in zip(grads, variables, strict=True) if isinstance(g, tf.IndexedSlices)
        )

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        grads = [deduplicated(g) for g in grads]
        clipped = super()._clip_gradients([g.values if isinstance(g, tf.IndexedSlices) else g for g in grads])
        return [
            tf.IndexedSlices(c, g.indices, g.dense_shape) if isinstance(g, tf.IndexedSlices) else c
            for c, g in zip(clipped, grads, strict=True)
        ]


class Wrapper(Optimizer):
    """An optimizer that leaves the steps to others, its `inners`, and whose learning rate is theirs.

    The shared arguments act on the whole and belong to the wrapper; a wrapped optimizer may have its own
    clipping and weight decay.
    """

    def __init__(self, name: str | None = None, **shared: Any):
        # No rate of its own: Keras asks this method each step.
        super().__init__(learning_rate=self._current_rate, name=name, **shared)

    def _current_rate(self) -> Any:
        return self.learning_rate

    @property
    def inners(self) -> tuple[keras.optimizers.Optimizer, ...]:
        """The wrapped optimizers."""
        raise NotImplementedError

    def _wrap(self, identifier: Any, role: str) -> keras.optimizers.Optimizer:
        """Return the optimizer that `identifier` stands for, ready to work inside this one.

        Raises:
            ValueError: it has an argument that belongs to the wrapper.
        """
        short = SHORT.get(identifier) if isinstance(identifier, str) else None
        optimizer = short() if short else keras.optimizers.get(identifier)
        for argument in ("use_ema", "loss_scale_factor"):
            if getattr(optimizer, argument):
                raise ValueError(
                    f"{role} has {argument}={getattr(optimizer, argument)}, which acts on the whole update. "
                    f"Give {argument} to {type(self).__name__} instead."
                )
        if optimizer.gradient_accumulation_steps not in (None, self.gradient_accumulation_steps):
            raise ValueError(
                f"{role} has gradient_accumulation_steps={optimizer.gradient_accumulation_steps}; "
                f"give it to {type(self).__name__} instead, which accumulates for all."
            )
        # Its counter then counts batches and its `iterations` updates, as in every Keras optimizer.
        optimizer.gradient_accumulation_steps = self.gradient_accumulation_steps
        return optimizer

    def build(self, variables: list[Any]) -> None:
        super().build(variables)
        for inner in self.inners:
            # The wrapper accumulates; without this the inner would hold a second set of accumulators.
            steps, inner.gradient_accumulation_steps = inner.gradient_accumulation_steps, None
            inner.build(variables)
            inner.gradient_accumulation_steps = steps

    def _remember_sparse(self, grads: list[Any], variables: list[Any]) -> None:
        super()._remember_sparse(grads, variables)
        for inner in self.inners:
            if isinstance(inner, Optimizer):
                inner._remember_sparse(grads, variables)

    def _step_with(self, inner: keras.optimizers.Optimizer, grads: list[Any], variables: list[Any]) -> None:
        """Let `inner` clip, decay and update; its counter is the caller's business."""
        grads = keras_optimizer_private.clip(inner, grads)
        if not isinstance(inner, Optimizer):
            # Keras squares a sparse gradient's rows before it sums those that two replicas share.
            grads = [densified(g, v) for g, v in zip(grads, variables, strict=True)]
        keras_optimizer_private.decay_and_update(inner, grads, variables)

    @property
    def variables(self) -> list[Any]:
        return [*self._variables, *(v for inner in self.inners for v in inner.variables)]

    def set_weights(self, weights: list[Any]) -> None:
        """Set the whole state, the wrapped optimizers' included, from arrays in the order of `variables`."""
        if not self.built:
            raise ValueError(
                "Build the optimizer before set_weights: optimizer.build(model.trainable_variables)."
            )
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(
                f"Expected {len(variables)} arrays, as in `optimizer.variables`; got {len(weights)}."
            )
        for variable, weight in zip(variables, weights, strict=True):
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(
                    f"{variable.path} has shape {tuple(variable.shape)}, got {tuple(weight.shape)}."
                )
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        # Keras' saving walks into the wrapped optimizers by itself; writing them here would write them twice.
        for i, variable in enumerate(self._variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        if len(store.keys()) != len(self._variables):
            raise ValueError(
                f"The saved {type(self).__name__} has {len(store.keys())} variables of its own, "
                f"this one has {len(self._variables)}; was it built for the same model?"
            )
        for i, variable in enumerate(self._variables):
            variable.assign(store[str(i)])

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **{k: getattr(self, k) for k in SHARED}}


def branch(
    predicate: Callable[[], Any],
    when_true: Callable[[list[Any]], None],
    when_false: Callable[[list[Any]], None],
    grads: list[Any],
) -> None:
    """Update by one of two functions of the gradients, in graph, eager and distributed code.

    A strategy that merges replicas by `merge_call` allows none inside a `tf.cond` of one replica, so there
    the choice is made once for all replicas, as `keras.optimizers.LossScaleOptimizer` does.

    Args:
        predicate: gives a scalar boolean, the same on each replica.
        when_true, when_false: take the replica's gradients.
        grads: the gradients.
    """
    if tensorflow_private.branches_may_differ_by_replica():
        tf.cond(predicate(), lambda: _done(when_true, grads), lambda: _done(when_false, grads))
        return

    def across(distribution: tf.distribute.Strategy, grads: list[Any]) -> None:
        def everywhere(update: Callable[[list[Any]], None]) -> tf.Tensor:
            distribution.extended.call_for_each_replica(update, args=(grads,))
            return tf.constant(0)

        tf.cond(predicate(), lambda: everywhere(when_true), lambda: everywhere(when_false))

    tf.distribute.get_replica_context().merge_call(across, args=(grads,))


def _done(update: Callable[[list[Any]], None], grads: list[Any]) -> tf.Tensor:
    # Summing over replicas wants all its gradients from one graph, here that of the tf.cond's branch.
    update([tf.nest.map_structure(tf.identity, g, expand_composites=True) for g in grads])
    return tf.constant(0)  # tf.cond wants the same kind of result from both branches.
