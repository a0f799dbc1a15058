"""Lookahead: slow weights that follow the fast weights of another optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import keras
import tensorflow as tf
from keras import ops

from trainrun.compat import keras_optimizer_private, keras_private, tensorflow_private
from trainrun.optimizer._shared import Wrapper
from trainrun.util.arguments import Count, NotNegative, Positive, Range, Reference, Share


def synchronize(fast: Any, slow: Any, slow_step_size: Annotated[float, Range(above=0, high=1)]) -> Any:
    """Return the value of fast and slow weights after a synchronization: `slow + α (fast − slow)`."""
    return slow + slow_step_size * (fast - slow)


@keras.saving.register_keras_serializable("trainrun")
class Lookahead(Wrapper):
    """Wrap an optimizer: every `sync_period` updates, its weights are interpolated with slow weights.

    With `φ` the slow weights, `θ` the fast weights that `inner` updates, `k = sync_period` and `α = slow_step_size`:
    `φ₀ = θ₀`; after each k-th update `φ ← φ + α (θ − φ)` and `θ ← φ`. The slow weights are initialized before the first
    update. The model holds the fast weights, which equal the slow ones after every k-th update. The state of the inner
    optimizer is not reset at a synchronization.

    `learning_rate` is that of the inner optimizer; it can be read and set.

    Args:
        inner: the optimizer to wrap: an object, a name that Keras knows, ``sgdm``, ``nag``, or a serialized config; default
            ``adam``. It may have clipping and weight decay of its own; the other shared arguments belong to this class.
        sync_period: number of updates between synchronizations (k in the paper), at least 1; default 6.
        slow_step_size: interpolation factor (α in the paper), in (0, 1]; default 0.5.
        learning_rate: learning rate of the inner optimizer, a float or a `LearningRateSchedule`; default None: its own.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: `sync_period` or `slow_step_size` is out of range, or `inner` has an argument that belongs to this class.

    Reference:
        Zhang et al. 2019, Lookahead Optimizer: k steps forward, 1 step back, algorithm 1,
        https://arxiv.org/abs/1907.08610
    """

    def __init__(
        self,
        inner: Annotated[Any, Reference("optimizer")] = "adam",
        sync_period: Count = 6,
        slow_step_size: Annotated[float, Range(above=0, high=1)] = 0.5,
        learning_rate: Positive | None = None,
        weight_decay: NotNegative | None = None,
        clipnorm: Positive | None = None,
        clipvalue: Positive | None = None,
        global_clipnorm: Positive | None = None,
        use_ema: bool = False,
        ema_momentum: Share = 0.99,
        ema_overwrite_frequency: Count | None = None,
        loss_scale_factor: Positive | None = None,
        gradient_accumulation_steps: Annotated[int, Range(2)] | None = None,
        name: str | None = None,
    ):
        super().__init__(
            name=name,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        if isinstance(sync_period, bool) or not isinstance(sync_period, int) or sync_period < 1:
            raise ValueError(f"sync_period must be a whole number, at least 1; got {sync_period!r}.")
        if not 0 < slow_step_size <= 1:
            raise ValueError(f"slow_step_size must lie in (0, 1]; got {slow_step_size!r}.")
        self.sync_period = sync_period
        self.slow_step_size = slow_step_size
        self.inner = self._wrap(inner, "inner")
        if learning_rate is not None:
            self.inner.learning_rate = learning_rate

    @property
    def inners(self) -> tuple[keras.optimizers.Optimizer, ...]:
        return (self.inner,)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate of the inner optimizer."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner.learning_rate = learning_rate

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._slow = self.add_optimizer_variables(variables, "slow")

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        grads = list(grads)
        if not grads:
            return
        if not self.built:
            self.build(list(trainable_variables))
        # At the first update, not in `build`: weights may be loaded in between.
        self._if(ops.equal(self._iterations, 0), self._initialize_slow, self._trainable_variables)
        super().apply(grads, trainable_variables)
        keras_optimizer_private.step_counter(self.inner).assign_add(1)

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        self._step_with(self.inner, grads, trainable_variables)
        is_due = ops.equal((self.iterations + 1) % self.sync_period, 0)
        self._if(is_due, self._synchronize, trainable_variables)

    def _initialize_slow(self, variable: Any) -> None:
        self.assign(self._slow[self._get_variable_index(variable)], variable)

    def _synchronize(self, variable: Any) -> None:
        slow = self._slow[self._get_variable_index(variable)]
        weights = synchronize(
            ops.convert_to_tensor(variable), ops.convert_to_tensor(slow), self.slow_step_size
        )
        self.assign(slow, weights)
        self.assign(variable, weights)

    def _if(self, predicate: Any, action: Callable[[Any], None], variables: list[Any]) -> None:
        """Apply an action to each replica's copy of each variable if the predicate, a boolean tensor, is true."""

        def apply_to(variable: Any, predicate: Any) -> None:
            def when_true() -> tf.Tensor:
                action(variable)
                return tf.constant(0)

            tf.cond(predicate, when_true, lambda: tf.constant(0))

        if keras_private.in_stateless_scope():  # variables are neither written nor placed on devices
            for variable in variables:
                apply_to(variable, predicate)
            return

        def on_all_replicas(distribution: tf.distribute.Strategy, predicate: Any) -> None:
            for variable in variables:
                value = variable.value if isinstance(variable, keras.Variable) else variable
                distribution.extended.update(value, apply_to, args=(predicate,), group=False)

        tensorflow_private.merge_call_if_needed(on_all_replicas, self._distribution_strategy, predicate)

    def get_config(self) -> dict[str, Any]:
        inner = keras.saving.serialize_keras_object(self.inner)
        return {
            **super().get_config(),
            "inner": inner,
            "sync_period": self.sync_period,
            "slow_step_size": self.slow_step_size,
            "learning_rate": inner["config"]["learning_rate"],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Lookahead:
        config = dict(config)
        if isinstance(config.get("inner"), dict):
            config["inner"] = keras.saving.deserialize_keras_object(
                config["inner"], custom_objects=custom_objects
            )
        return super().from_config(config, custom_objects)
