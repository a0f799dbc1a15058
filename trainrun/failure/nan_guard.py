"""The callback that notices a loss, or weights, that are not finite, before such a state is saved."""

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
class Finite(keras.callbacks.Callback):
    """Raise `NonFinite` when the loss is nan or infinite; its place is before the checkpoints'.

    The loss that Keras logs is the mean of the epoch so far: once it is not finite, it stays so. It is looked at when
    a compiled call returns, which may be many steps later. A validation loss that is not finite costs a warning.

    Args:
        raises: False where the user has chosen Keras' TerminateOnNaN, which ends a run as if its epochs were over.
    """

    coarse = True  # content with being called after several steps at once
    transient = True  # what it knows is of this process

    def __init__(self, raises: bool = True):
        super().__init__()
        self.raises = raises
        self.rates: dict[int, float] = {}  # learning rate by epoch: callbacks may have set it
        self._epoch = self._next = 0
        self._constant: bool | None = None  # whether the learning rate is a number that the optimizer holds
        self._warned = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch, self._next = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._look(logs, batch)
        self._next = batch + 1

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        last = max(self._next, 1) - 1
        self._epoch = epoch
        self._look(logs, last)
        if self._constant is None:
            self._constant = constant_rate(self.model.optimizer) is not None
        if self._constant:  # it is in the logs: asking the optimizer once more costs half a millisecond
            self.rates[epoch] = (logs or {}).get("learning_rate") or constant_rate(self.model.optimizer)
        validation = (logs or {}).get("val_loss")
        odd = validation is not None and not math.isfinite(float(validation))
        final = self.model.stop_training or epoch + 1 == self.params.get("epochs")
        # The last update of all moves weights that no loss will be computed from.
        if self.raises and (odd or final) and (value := unsound(self.model.trainable_variables)):
            raise NonFinite(value, epoch, 0, last, "weights")
        if odd and not self._warned:
            self._warned = True
            console.warn(
                f"val_loss is {float(validation):g} in epoch {epoch + 1}, though the training loss is finite; "
                "training goes on. (Look for missing values in the validation data.)"
            )

    def _look(self, logs: Mapping[str, Any] | None, last: int) -> None:
        loss = (logs or {}).get("loss")
        if self.raises and loss is not None and not math.isfinite(value := float(loss)):
            if (rate := constant_rate(self.model.optimizer)) is not None:
                self.rates[self._epoch] = rate
            raise NonFinite("nan" if math.isnan(value) else "inf", self._epoch, min(self._next, last), last)


def unsound(variables: Any) -> str | None:
    """Return ``nan`` or ``inf`` if one of the variables holds such a value, else None."""
    for variable in variables:
        if (value := non_finite(keras.ops.convert_to_numpy(variable))) is not None:
            return value
    return None
