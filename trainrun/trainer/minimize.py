"""A fixed number of optimizer steps on the whole training set."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from trainrun.trainer.gradient_loop import descend_until
from trainrun.trainer.job import Job
from trainrun.util.arguments import Count


class Minimize:
    """Take a fixed number of optimizer steps, compiled into one graph.

    It replaces the method `minimize`, which optimizers of Keras 3 do not have: compute the gradients of the loss and apply them,
    `steps` times.

    Args:
        steps: number of steps; default 200.
    """

    def __init__(self, steps: Count = 200):
        self.steps = steps

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model` in place; the history has one entry with the loss, max |∂loss/∂w| and the number of steps."""
        return descend_until(job, callbacks, self.steps)
