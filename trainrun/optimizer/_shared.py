"""Base classes of the optimizers: summed sparse gradients, and wrappers of other optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_optimizer_private, tensorflow_private

# Arguments of every Keras optimizer besides its learning rate, in the order of Keras' signatures.
SHARED_ARGUMENTS = (
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
# Names of options in conf/optimizer/ that Keras does not know.
ALIASES = {
    "sgdm": lambda: keras.optimizers.SGD(momentum=0.9),
    "nag": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
}


def totals(gradient: tf.IndexedSlices) -> tuple[Any, Any, Any]:
    """Sum the rows of a sparse gradient that have the same index.

    All shapes are static, as XLA requires. (Not `tf.unique`: XLA compiles it, but applied twice it returns rows that do not
    exist, in TensorFlow 2.21.)

    Args:
        gradient: indices `[n]` with repetitions, values `[n, ...]`.

    Returns:
        `(indices, values, first)`: the indices, sorted, `[n]`; for each of them the sum of all rows with that index,
        `[n, ...]`, so that equal indices have equal values; and whether it is the first of its index, `[n]`.
    """
    order = tf.argsort(gradient.indices, stable=True)
    indices = tf.gather(gradient.indices, order)
    first = tf.concat([tf.ones_like(indices[:1], tf.bool), indices[1:] != indices[:-1]], axis=0)
    segment = tf.cumsum(tf.cast(first, tf.int32)) - 1
    sums = tf.math.unsorted_segment_sum(tf.gather(gradient.values, order), segment, tf.shape(indices)[0])
    return indices, tf.gather(sums, segment), first


def deduplicated(gradient: Any) -> Any:
    """Return a sparse gradient in which the first row of each index is the sum of its rows, and the others are zero.

    A dense gradient is returned unchanged.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices, values, first = totals(gradient)
    first = tf.reshape(first, [-1] + [1] * (values.shape.rank - 1))
    return tf.IndexedSlices(tf.where(first, values, 0), indices, gradient.dense_shape)


def densified(gradient: Any, variable: Any) -> Any:
    """Return a gradient as a dense tensor of its variable's shape; rows of one index are summed."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])


class Optimizer(keras.optimizers.Optimizer):
    """A Keras optimizer that sums the rows of sparse gradients (`tf.IndexedSlices`) before any other operation.

    Keras 3.15 clips and squares rows of the same index before it sums them, so that the second moment of an embedding
    differs from that of the dense gradient, and it fails with `loss_scale_factor` and a sparse gradient.
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
            # Keras unscales with `/`, which IndexedSlices do not support.
            grads = [densified(g, v) for g, v in zip(grads, variables, strict=True)]
        super().apply(grads, trainable_variables)

    def _remember_sparse(self, grads: list[Any], variables: list[Any]) -> None:
        """Record which variables have sparse gradients, for updates that receive only the dense sum."""
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
    """An optimizer that delegates updates to wrapped optimizers (`inners`) and has their learning rate.

    The shared arguments apply to the whole update and are arguments of the wrapper; a wrapped optimizer may also have
    clipping and weight decay of its own.
    """

    def __init__(self, name: str | None = None, **shared: Any):
        # A callable instead of a rate of its own: Keras calls it at each step.
        super().__init__(learning_rate=self._current_rate, name=name, **shared)

    def _current_rate(self) -> Any:
        return self.learning_rate

    @property
    def inners(self) -> tuple[keras.optimizers.Optimizer, ...]:
        """The wrapped optimizers."""
        raise NotImplementedError

    def _wrap(self, identifier: Any, role: str) -> keras.optimizers.Optimizer:
        """Return the optimizer to wrap.

        Args:
            identifier: an optimizer, a name, or a serialized config.
            role: the argument's name, for messages.

        Raises:
            ValueError: the optimizer has an argument that must be the wrapper's.
        """
        alias = ALIASES.get(identifier) if isinstance(identifier, str) else None
        optimizer = alias() if alias else keras.optimizers.get(identifier)
        for argument in ("use_ema", "loss_scale_factor"):
            if getattr(optimizer, argument):
                raise ValueError(
                    f"{role} has {argument}={getattr(optimizer, argument)}, which applies to the whole update. "
                    f"Pass {argument} to {type(self).__name__} instead."
                )
        if optimizer.gradient_accumulation_steps not in (None, self.gradient_accumulation_steps):
            raise ValueError(
                f"{role} has gradient_accumulation_steps={optimizer.gradient_accumulation_steps}; "
                f"pass it to {type(self).__name__} instead, which accumulates for all."
            )
        # Its step counter then counts batches, and its `iterations` updates, as in every Keras optimizer.
        optimizer.gradient_accumulation_steps = self.gradient_accumulation_steps
        return optimizer

    def build(self, variables: list[Any]) -> None:
        super().build(variables)
        for inner in self.inners:
            # The wrapper accumulates: without this, the inner optimizer would create accumulators of its own.
            steps, inner.gradient_accumulation_steps = inner.gradient_accumulation_steps, None
            if own := self._trained_by(inner, variables):
                inner.build(own)
            inner.gradient_accumulation_steps = steps

    def _trained_by(self, inner: keras.optimizers.Optimizer, variables: list[Any]) -> list[Any]:
        """Return those of the model's variables that a wrapped optimizer trains; by default all."""
        return variables

    def _remember_sparse(self, grads: list[Any], variables: list[Any]) -> None:
        super()._remember_sparse(grads, variables)
        for inner in self.inners:
            if isinstance(inner, Optimizer):
                inner._remember_sparse(grads, variables)

    def _step_with(self, inner: keras.optimizers.Optimizer, grads: list[Any], variables: list[Any]) -> None:
        """Clip, decay and update as `inner` does; the caller increments its step counter."""
        grads = keras_optimizer_private.clip(inner, grads)
        if not isinstance(inner, Optimizer):
            # Keras squares the rows of a sparse gradient before it sums those of two replicas.
            grads = [densified(g, v) for g, v in zip(grads, variables, strict=True)]
        keras_optimizer_private.decay_and_update(inner, grads, variables)

    @property
    def variables(self) -> list[Any]:
        return [*self._variables, *(v for inner in self.inners for v in inner.variables)]

    def set_weights(self, weights: list[Any]) -> None:
        """Set the state, including that of the wrapped optimizers.

        Args:
            weights: arrays, in the order of `variables`.

        Raises:
            ValueError: the optimizer is not built, or the number or a shape of the arrays differs.
        """
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
        # Without the wrapped optimizers, which Keras' saving visits separately.
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
        return {"name": self.name, **{k: getattr(self, k) for k in SHARED_ARGUMENTS}}


def branch(
    predicate: Callable[[], Any],
    when_true: Callable[[list[Any]], None],
    when_false: Callable[[list[Any]], None],
    grads: list[Any],
) -> None:
    """Apply one of two updates, in graph, eager and distributed code.

    A strategy that merges replicas by `merge_call` does not allow it inside a replica's `tf.cond`. There, the condition is
    evaluated once for all replicas, as in `keras.optimizers.LossScaleOptimizer`.

    Args:
        predicate: returns a scalar boolean tensor, the same on each replica.
        when_true, when_false: the updates; their argument is the replica's gradients.
        grads: the gradients.
    """
    if tensorflow_private.branches_may_differ_by_replica():
        tf.cond(predicate(), lambda: _branch_of(when_true, grads), lambda: _branch_of(when_false, grads))
        return

    def across(distribution: tf.distribute.Strategy, grads: list[Any]) -> None:
        def everywhere(update: Callable[[list[Any]], None]) -> tf.Tensor:
            distribution.extended.call_for_each_replica(update, args=(grads,))
            return tf.constant(0)

        tf.cond(predicate(), lambda: everywhere(when_true), lambda: everywhere(when_false))

    tf.distribute.get_replica_context().merge_call(across, args=(grads,))


def _branch_of(update: Callable[[list[Any]], None], grads: list[Any]) -> tf.Tensor:
    # The sum over replicas requires all gradients to be in one graph, here that of the branch.
    update([tf.nest.map_structure(tf.identity, g, expand_composites=True) for g in grads])
    return tf.constant(0)  # tf.cond requires results of equal structure.
