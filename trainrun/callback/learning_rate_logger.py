"""The learning rate that was used, among the metrics."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.compat import keras_optimizer_private
from trainrun.util.declarations import declare


@declare(reads_weights=False, changes_only_variables=True)
@keras.saving.register_keras_serializable("trainrun")
class LearningRateLogger(keras.callbacks.Callback):
    """Add `learning_rate` to the logs: the rate of the last update, for a schedule as for a number.

    It stands before the callbacks that read the logs, and before those that change the rate at an epoch's end.

    Args:
        per_step: also add it to the logs of each step; costs a look at the optimizer each time.

    Example:
        >>> history = model.fit(x, y, callbacks=[LearningRateLogger()])
        >>> history.history["learning_rate"]
        [0.001, 0.001]
    """

    def __init__(self, per_step: bool = False):
        super().__init__()
        self.per_step = per_step

    @property
    def coarse(self) -> bool:
        """Whether it is content with being called after several steps at once."""
        return not self.per_step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.per_step:
            self._add(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._add(logs)

    def _add(self, logs: dict[str, Any] | None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None and logs is not None:
            logs["learning_rate"] = last_rate(optimizer)

    def get_config(self) -> dict[str, Any]:
        return {"per_step": self.per_step}


def last_rate(optimizer: Any) -> float:
    """Return the learning rate of an optimizer's last update; before the first, that of the first.

    An optimizer that wraps others (`inners`, of which `phase` is in charge, or Keras' `inner_optimizer`) has
    the rate of the one that worked.

    Args:
        optimizer: a built Keras optimizer.
    """
    inners = getattr(optimizer, "inners", None) or (getattr(optimizer, "inner_optimizer", None),)
    if inners[0] is not None:
        phase = getattr(optimizer, "phase", None)
        return last_rate(inners[0 if phase is None else int(_number(phase))])
    rate = keras_optimizer_private.rate(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        # After an update the counter stands at the next one, and so does `optimizer.learning_rate`.
        return float(rate(max(int(_number(keras_optimizer_private.step_counter(optimizer))) - 1, 0)))
    return float(_number(optimizer.learning_rate))


def _number(variable: Any) -> Any:
    # Not float(…): a variable that several replicas share has no such conversion.
    return variable.numpy().item() if hasattr(variable, "numpy") else variable
