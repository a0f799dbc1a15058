"""Where training goes on: a checkpoint, put back into model, callbacks and random generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from trainrun.checkpoint import file, training_state
from trainrun.checkpoint.file import Stored
from trainrun.hardware import replicas
from trainrun.model.variables import by_purpose


@dataclass(frozen=True)
class Start:
    """Where training goes on.

    Args:
        checkpoint: as read.
        more: there are more epochs now; what ended early goes on only if more were asked for.
        rate: what a learning rate that is kept in the checkpoint is multiplied by.
    """

    checkpoint: Stored
    more: bool = False
    rate: float = 1.0

    @property
    def over(self) -> bool:
        """Whether nothing is left to train: the epochs were over, or a callback had said so."""
        return bool(self.checkpoint.about["done"]) and not self.more

    def restore(self, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Put everything back; see `training_state.apply`."""
        training_state.apply(self.checkpoint, model, callbacks)
        if self.rate != 1.0:
            replicas.scale_constant(model.optimizer, self.rate)


def restore(path: Path, model: keras.Model) -> int:
    """Put a checkpoint's weights, generators and optimizer state into a compiled model of the same build.

    Returns:
        The number of epochs done when it was written.

    Raises:
        file.Damaged: the file is not whole.
        UserError: it is of another model.
    """
    checkpoint = file.read(path)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = by_purpose(model)
    training_state.put(checkpoint, {kind: variables[kind] for kind in ("weights", "optimizer")})
    return checkpoint.epoch
