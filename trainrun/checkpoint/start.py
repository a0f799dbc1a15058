"""The point where a training is resumed: a checkpoint, restored into model, callbacks and random generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras

from trainrun.checkpoint import training_state
from trainrun.checkpoint.file import Stored
from trainrun.hardware import replicas


@dataclass(frozen=True)
class Start:
    """The point where a training is resumed.

    Args:
        checkpoint: as read.
        more: more epochs are configured than before; only then does a training go on that had ended early.
        rate: factor for a learning rate that is in the checkpoint.
        new_phase: a phase begins here: its optimizer begins anew.
        lengths: of the run that goes on, `Plan.lengths`.
    """

    checkpoint: Stored
    more: bool = False
    rate: float = 1.0
    new_phase: bool = False
    lengths: Mapping[str, int] | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to train: all epochs are done, or a callback has ended the training."""
        return bool(self.checkpoint.about["done"]) and not self.more

    def restore(self, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Restore the state; see `training_state.apply`."""
        training_state.apply(self.checkpoint, model, callbacks, self.new_phase, self.lengths)
        if self.new_phase:
            return
        if self.rate != 1.0:
            replicas.scale_constant(model.optimizer, self.rate)
