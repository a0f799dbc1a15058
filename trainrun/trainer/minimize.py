"""A fixed number of optimizer steps on the whole training data."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from trainrun.trainer.gradient_loop import descend, report
from trainrun.trainer.job import Job
from trainrun.util.arguments import Count


class Minimize:
    """Take `steps` steps of the optimizer, compiled into one graph.

    Keras 3 optimizers have no `minimize`; this is what it did: gradients of the loss, applied, so many times.

    Args:
        steps: how many.
    """

    def __init__(self, steps: Count = 200):
        self.steps = steps

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train in place; the history has one entry."""
        job.model.optimizer.build(job.model.trainable_variables)

        @tf.function
        def run() -> None:
            for _ in tf.range(self.steps):
                descend(job)

        run()
        return report(job, callbacks, self.steps, {})
