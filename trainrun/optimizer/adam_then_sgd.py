"""Two optimizers in sequence: the first until a given step, then the second."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from trainrun.compat import keras_optimizer_private
from trainrun.optimizer._shared import Wrapper, branch
from trainrun.util.arguments import Count, NotNegative, Positive, Range, Reference, Share, TrainingLength


class _Continued(keras.optimizers.schedules.LearningRateSchedule):
    """The second optimizer's part of a schedule: its steps are offset by those of the first optimizer.

    Args:
        schedule: the schedule of the whole run.
        first: the first optimizer.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, first: keras.optimizers.Optimizer
    ):
        self.schedule = schedule
        self.first = first

    def __call__(self, step: Any) -> Any:
        return self.schedule(step + keras_optimizer_private.step_counter(self.first))

    def get_config(self) -> dict[str, Any]:
        return {}  # AdamThenSGD saves the schedule of the whole run instead.


@keras.saving.register_keras_serializable("trainrun")
class AdamThenSGD(Wrapper):
    """Train with one optimizer, then with another one.

    The variable `phase` is 0 while `first` makes the updates and 1 while `second` does. It becomes 1 after `switch_at`
    batches, or by `switch()`, which the callback `switch_on_plateau` calls, and stays 1. `second` starts with new slot
    variables and at step 0. `phase` and the slots of both optimizers are part of the saved state.

    `learning_rate` is that of the active optimizer; it can be read and set.

    Args:
        first: the first optimizer: an object, a name that Keras knows, ``sgdm``, ``nag``, or a serialized config; default
            ``adam``. It may have clipping and weight decay of its own; the other shared arguments belong to this class.
        second: the second optimizer, likewise; default ``sgdm``, SGD with momentum 0.9.
        switch_at: number of batches before the switch, at least 0; default None: only `switch()` switches.
        learning_rate: learning rate of both, a float or a `LearningRateSchedule` over the batches of the whole run; default
            None: each optimizer's own.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: `switch_at` is not a number of batches, or one of the optimizers has an argument that belongs to this
            class.

    Reference:
        Keskar and Socher 2017, Improving Generalization Performance by Switching from Adam to SGD,
        https://arxiv.org/abs/1712.07628 (the paper determines the switch from the gradients; here it is an argument)
    """

    def __init__(
        self,
        first: Annotated[Any, Reference("optimizer")] = "adam",
        second: Annotated[Any, Reference("optimizer")] = "sgdm",
        switch_at: TrainingLength | None = None,
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
        if switch_at is not None and (
            isinstance(switch_at, bool) or not isinstance(switch_at, int) or switch_at < 0
        ):
            raise ValueError(
                f"switch_at must be a whole number of batches, at least 0, or None; got {switch_at!r}. "
                "Lengths such as 0.5run are converted to batches in YAML files and on the command line only."
            )
        self.switch_at = switch_at
        self.phase = self.add_variable((), dtype="int", aggregation="only_first_replica", name="phase")
        self.first = self._wrap(first, "first")
        self.second = self._wrap(second, "second")
        if learning_rate is not None:
            self._set_both(learning_rate)

    @property
    def inners(self) -> tuple[keras.optimizers.Optimizer, ...]:
        return (self.first, self.second)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate of the active optimizer. Setting a number sets that of the active optimizer,
        setting a schedule that of both.
        """
        return ops.where(ops.equal(self.phase, 0), self.first.learning_rate, self.second.learning_rate)

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            self._set_both(learning_rate)
        else:
            self.inners[int(self.phase.numpy())].learning_rate = learning_rate

    def _set_both(self, learning_rate: Any) -> None:
        self.first.learning_rate = learning_rate
        if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            learning_rate = _Continued(learning_rate, self.first)
        self.second.learning_rate = learning_rate

    def switch(self) -> None:
        """Make `second` the active optimizer, from the next update on."""
        self.phase.assign(1)

    def build(self, variables: list[Any]) -> None:
        if not self.built:
            super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        grads = list(grads)
        if not grads:
            return
        if self.switch_at is not None:
            reached = ops.cast(ops.greater_equal(self._iterations, self.switch_at), self.phase.dtype)
            self.phase.assign(ops.maximum(self.phase, reached))
        super().apply(grads, trainable_variables)
        # Each counts only the batches of its own phase, so that the bias correction of `second` starts at step 0.
        keras_optimizer_private.step_counter(self.first).assign_add(1 - self.phase)
        keras_optimizer_private.step_counter(self.second).assign_add(ops.convert_to_tensor(self.phase))

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        branch(
            lambda: ops.equal(self.phase, 0),
            lambda grads: self._step_with(self.first, grads, trainable_variables),
            lambda grads: self._step_with(self.second, grads, trainable_variables),
            grads,
        )

    def get_config(self) -> dict[str, Any]:
        first, second = map(keras.saving.serialize_keras_object, self.inners)
        shared = isinstance(keras_optimizer_private.rate(self.second), _Continued)
        if shared:
            # Overridden by `learning_rate` below, but it must be deserializable.
            second["config"]["learning_rate"] = first["config"]["learning_rate"]
        return {
            **super().get_config(),
            "first": first,
            "second": second,
            "switch_at": self.switch_at,
            "learning_rate": first["config"]["learning_rate"] if shared else None,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> AdamThenSGD:
        config = dict(config)
        for role in ("first", "second"):
            if isinstance(config.get(role), dict):
                config[role] = keras.saving.deserialize_keras_object(
                    config[role], custom_objects=custom_objects
                )
        return super().from_config(config, custom_objects)
