"""The callback that detects a loss or weights that are not finite before the state is saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from trainrun.failure.classification import NonFinite
from trainrun.hardware.replicas import constant_rate
from trainrun.ui import console
from trainrun.util.declarations import declare
from trainrun.util.finite import non_finite


@declare(reads_weights=False)
class NanGuard(keras.callbacks.Callback):
    """Raise `NonFinite` when the loss is NaN or infinite; the callback runs before the checkpoint's.

    The loss that Keras logs is the mean of the epoch so far, which stays non-finite. It is checked after each compiled call,
    which may be many steps later. A validation loss that is not finite causes a warning.

    Args:
        raises: False if the user has chosen Keras' TerminateOnNaN, which ends a run as if its epochs were over.
    """

    coarse = True  # a call after several steps will do
    transient = True  # without a state to save

    def __init__(self, raises: bool = True):
        super().__init__()
        self.raises = raises
        self.rates: dict[int, float] = {}  # learning rate by epoch, as callbacks have set it
        self._epoch = self._next = 0
        self._constant: bool | None = None  # whether the learning rate is a variable of the optimizer
        self._warned = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch, self._next = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._check(logs, batch)
        self._next = batch + 1

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        last = max(self._next, 1) - 1
        self._epoch = epoch
        self._check(logs, last)
        if self._constant is None:
            self._constant = constant_rate(self.model.optimizer) is not None
        if self._constant:  # from the logs: reading the variable costs half a millisecond
            self.rates[epoch] = (logs or {}).get("learning_rate") or constant_rate(self.model.optimizer)
        validation = (logs or {}).get("val_loss")
        bad_validation = validation is not None and not math.isfinite(float(validation))
        final = self.model.stop_training or epoch + 1 == self.params.get("epochs")
        # No loss will be computed from the weights of the last update.
        if (
            self.raises
            and (bad_validation or final)
            and (value := non_finite_value(self.model.trainable_variables))
        ):
            raise NonFinite(value, epoch, 0, last, "weights")
        if bad_validation and not self._warned:
            self._warned = True
            console.warn(
                f"val_loss is {float(validation):g} in epoch {epoch + 1}, though the training loss is finite; "
                "training goes on. (Look for missing values in the validation data.)"
            )

    def _check(self, logs: Mapping[str, Any] | None, last: int) -> None:
        loss = (logs or {}).get("loss")
        if self.raises and loss is not None and not math.isfinite(value := float(loss)):
            if (rate := constant_rate(self.model.optimizer)) is not None:
                self.rates[self._epoch] = rate
            raise NonFinite("nan" if math.isnan(value) else "inf", self._epoch, min(self._next, last), last)


def non_finite_value(variables: Any) -> str | None:
    """Return ``nan`` or ``inf`` if one of the variables holds such a value, else None."""
    for variable in variables:
        if (value := non_finite(keras.ops.convert_to_numpy(variable))) is not None:
            return value
    return None
