"""The learning-rate range test: the rate rises at each step, and the loss shows at which rates training works.

The rate grows exponentially from the first of `tune.rates` to the last in `tune.steps` steps. The loss of a batch is computed
before its update, so the effect of a step's rate shows in the next loss. The test ends early when the loss diverges. The rate at
the minimum of the smoothed loss is about too large; the suggestion is a tenth of it.

References:
    Smith (2017), Cyclical learning rates for training neural networks, WACV, section 3.3: the range test.
    Howard and Gugger (2020), fastai: a layered API for deep learning, Information 11(2): exponential growth over
    one hundred batches, smoothing, an end at divergence, and a tenth of the rate at the minimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from trainrun.trainer.job import Job

# The loss has diverged if it climbs above its minimum by this multiple of its fall, or of its first value.
DIVERGENCE = 4.0
WINDOW = 0.025  # standard deviation of the smoothing kernel, as a share of the steps
MARGIN = 10.0  # the suggestion is the rate at the minimum divided by this
MIN_FALL = 0.01  # share of its first value by which the loss must fall for a suggestion
MOMENTUM = 0.9  # of the running mean that decides when to stop


@dataclass(frozen=True)
class Range:
    """The result of a range test.

    Args:
        rates: of each step, rising.
        losses: after the step of that rate.
        smoothed: likewise.
        first: the loss before the first step.
        lowest: the index of the minimum of `smoothed`.
        steepest: the index where it falls fastest over the logarithm of the rate.
        suggestion: a learning rate; None: the loss has not fallen.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    first: float
    lowest: int
    steepest: int
    suggestion: float | None


def read(rates: Sequence[float], losses: Sequence[float]) -> Range:
    """Return the result of a range test.

    Args:
        rates: of each step.
        losses: of each step's batch, before its update.
    """
    first, after = float(losses[0]), np.asarray(losses[1:], float)
    before = np.asarray(rates[: len(after)], float)
    finite = np.flatnonzero(~np.isfinite(after))
    end = int(finite[0]) if len(finite) else len(after)
    before, after = before[:end], after[:end]
    if len(after) < 3:
        return Range(before, after, after, first, 0, 0, None)
    smoothed = smooth(after, max(WINDOW * len(rates), 0.5))
    lowest = int(np.argmin(smoothed))
    slope = np.gradient(smoothed, np.log(before))
    steepest = int(np.argmin(slope[: lowest + 1]))
    # At the lowest rates the losses differ only because of their batches.
    start = float(np.median([first, *after[: max(len(rates) // 10, 1)]]))
    fell = start - smoothed[lowest] > MIN_FALL * abs(start)
    return Range(
        before,
        after,
        smoothed,
        first,
        lowest,
        steepest,
        float(before[lowest] / MARGIN) if fell else None,
    )


def smooth(values: np.ndarray, deviation: float) -> np.ndarray:
    """Return the mean around each value with Gaussian weights, which does not lag as a running mean does.

    Args:
        values: `[n]`.
        deviation: of the curve, in steps.
    """
    index = np.arange(len(values))
    weight = np.exp(-0.5 * ((index[:, None] - index) / deviation) ** 2)
    return weight @ values / weight.sum(axis=1)


def rising(steps: int, low: float, high: float) -> dict[str, Any]:
    """Return the schedule of the test, as a component's name and arguments.

    Args:
        steps: of the test.
        low, high: the first and last learning rate.
    """
    growth = (high / low) ** (1 / max(steps - 1, 1))
    return {
        "name": "ExponentialDecay",
        "initial_learning_rate": low,
        "decay_steps": 1,
        "decay_rate": growth,
        "staircase": False,
    }


def range_test(
    job: Job, trainer: Any, steps: int, low: float, high: float
) -> tuple[list[float], list[float]]:
    """Train a job at rising rates; it is discarded afterwards.

    Args:
        job: its optimizer follows the schedule `rising`.
        trainer: that the run will have.
        steps, low, high: as given to `rising`.

    Returns:
        The rate of each step, and the loss of its batch before the update.
    """
    growth = rising(steps, low, high)["decay_rate"]
    plan = replace(job.plan, epochs=-(-steps // job.plan.steps_per_epoch))
    probe = Probe(steps)
    trainer.train(replace(job, validation=None, plan=plan), [probe])
    return [low * growth**i for i in range(len(probe.losses))], probe.losses


class Probe(keras.callbacks.Callback):
    """Record the loss of each batch, and stop after a number of steps or when the loss diverges.

    Args:
        steps: number of steps.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        self.losses: list[float] = []
        self._mean = 0.0
        self._best = math.inf

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        # Keras logs the mean since the last reset.
        self.model.reset_metrics()
        self.losses.append(loss)
        n = len(self.losses)
        self._mean = MOMENTUM * self._mean + (1 - MOMENTUM) * loss
        mean = self._mean / (1 - MOMENTUM**n)
        self._best = min(self._best, mean)
        first = self.losses[0]
        climbed = mean - self._best > DIVERGENCE * max(abs(first), first - self._best)
        if n >= self.steps or not math.isfinite(loss) or climbed:
            self.model.stop_training = True
