"""A constant learning rate."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.arguments import Positive


@keras.saving.register_keras_serializable("trainrun")
class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate, as a schedule.

    A number as an optimizer's `learning_rate` has the same effect, and callbacks can change it; use this class where a
    schedule is required.

    Args:
        initial_learning_rate: the learning rate at every step.
    """

    def __init__(self, initial_learning_rate: Positive | None):
        self.initial_learning_rate = initial_learning_rate

    def __call__(self, step: Any) -> Any:
        return ops.convert_to_tensor(self.initial_learning_rate, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": self.initial_learning_rate}
