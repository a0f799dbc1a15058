"""A rate that does not change."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.arguments import Positive


@keras.saving.register_keras_serializable("trainrun")
class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """The same rate at every step.

    An optimizer with a plain number as its rate does the same and lets callbacks change it; this class is for
    places that want a schedule.

    Args:
        initial_learning_rate: the rate.
    """

    def __init__(self, initial_learning_rate: Positive | None):
        self.initial_learning_rate = initial_learning_rate

    def __call__(self, step: Any) -> Any:
        return ops.convert_to_tensor(self.initial_learning_rate, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": self.initial_learning_rate}
