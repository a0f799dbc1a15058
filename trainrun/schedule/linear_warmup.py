"""Linear warm-up of the learning rate."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.util.arguments import Positive, TrainingLength


@keras.saving.register_keras_serializable("trainrun")
class LinearWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Increase the learning rate linearly, then keep it constant.

    `lr(step) = learning_rate · (f + (1 − f) · min(step / warmup_steps, 1))` with `f = start_factor`. Steps are counted from 0;
    step `warmup_steps` is the first with the full rate. For a warm-up followed by a decay, use `cosine_decay` with
    `warmup_target`.

    Args:
        learning_rate: the learning rate after the warm-up.
        warmup_steps: length of the warm-up in steps, at least 0.
        start_factor: the learning rate at step 0 as a fraction of `learning_rate`, in [0, 1]; default 0.1. With 0, the first
            step changes nothing.

    Raises:
        ValueError: `warmup_steps` is negative or `start_factor` outside [0, 1].

    Reference:
        Goyal et al. 2017, Accurate, Large Minibatch SGD, section 2.2, https://arxiv.org/abs/1706.02677
    """

    def __init__(self, learning_rate: Positive, warmup_steps: TrainingLength, start_factor: float = 0.1):
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0; got {warmup_steps}.")
        if not 0 <= start_factor <= 1:
            raise ValueError(f"start_factor must lie in [0, 1]; got {start_factor}.")
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.start_factor = start_factor

    def __call__(self, step: Any) -> Any:
        # The minimum of integers: float32 cannot represent every step of a very long run.
        step = ops.cast(ops.minimum(step, self.warmup_steps), "float32")
        progress = step / self.warmup_steps if self.warmup_steps else ops.ones_like(step)
        return self.learning_rate * (self.start_factor + (1.0 - self.start_factor) * progress)

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "start_factor": self.start_factor,
        }
