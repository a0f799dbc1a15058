"""The learning rate as a column of the logs."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.compat import keras_optimizer_private
from trainrun.util import rate_columns
from trainrun.util.declarations import declare


@declare(reads_weights=False, changes_only_variables=True)
@keras.saving.register_keras_serializable("trainrun")
class LearningRateLogger(keras.callbacks.Callback):
    """Add `learning_rate` to the logs of each epoch: the learning rate of the last update, with a schedule as with a number.
    Of several optimizers (`optimizer=multi`) each has a column with its name: `learning_rate_sgd`.

    A run puts it before the callbacks that read the logs, and before those that change the rate at the end of an epoch.

    Args:
        per_step: also add it to the logs of each step; default False. The callback is then called after every step.

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
        """Whether one call after several steps is sufficient."""
        return not self.per_step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.per_step:
            self._add(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._add(logs)

    def _add(self, logs: dict[str, Any] | None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None or logs is None:
            return
        several = getattr(getattr(optimizer, "inner_optimizer", optimizer), "optimizers", None)
        if several is None:
            logs[rate_columns.RATE] = last_rate(optimizer)
        else:
            logs |= {rate_columns.of(inner.name): last_rate(inner) for inner in several}

    def get_config(self) -> dict[str, Any]:
        return {"per_step": self.per_step}


def last_rate(optimizer: Any) -> float:
    """Return the learning rate of an optimizer's last update; before the first update, that of the first.

    Of an optimizer that wraps others (`inners`, of which `phase` is the active one, or Keras' `inner_optimizer`), it is the
    rate of the wrapped optimizer that made the update.

    Args:
        optimizer: a built Keras optimizer.
    """
    inners = getattr(optimizer, "inners", None) or (getattr(optimizer, "inner_optimizer", None),)
    if inners[0] is not None:
        phase = getattr(optimizer, "phase", None)
        return last_rate(inners[0 if phase is None else int(_number(phase))])
    rate = keras_optimizer_private.rate(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        # After an update, the counter and `optimizer.learning_rate` are those of the next update.
        return _decimal(rate(max(int(_number(keras_optimizer_private.step_counter(optimizer))) - 1, 0)))
    return _decimal(optimizer.learning_rate)


def _decimal(rate: Any) -> float:
    """Return a rate as the shortest decimal of its type: the float32 0.001, converted directly, is 0.0010000000474974513."""
    return float(str(rate.numpy() if hasattr(rate, "numpy") else rate))


def _number(variable: Any) -> Any:
    # Not `float(variable)`, which a mirrored variable does not support.
    return variable.numpy().item() if hasattr(variable, "numpy") else variable
