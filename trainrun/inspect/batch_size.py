"""Search for the largest batch size that fits into memory and still increases the speed.

The size is doubled, beginning with `trainer.batch_size`, while three conditions hold:

- It fits. On a GPU, a step that runs out of memory raises. A CPU does not raise: it swaps, or the system kills the
  process. So an estimate (`trainrun.model.cost`) is compared with a limit before each trial: `tune.memory`, by default
  half of the free memory.
- It is at most the number of training examples.
- Each doubling brings at least `tune.gain` more examples per second. One that does not may be noise; the second in a row
  ends the search. With `tune.gain=0` speed does not count.

If the first size does not fit, it is halved until one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from trainrun.model.cost import FORWARD_PASSES_PER_STEP, Cost, scaled
from trainrun.trainer.job import Job
from trainrun.util import machine

MAX_MISSES = 2  # doublings in a row that bring too little
# A trial has a first epoch, which compiles, and some that are timed, of at most `MAX_STEPS` steps each …
EPOCHS, MAX_STEPS, MIN_STEPS = 6, 64, 4
# … and of about so many operations, some seconds on a slow machine.
OPERATIONS = 1e10
ENOUGH_S = 1.0  # of timed epochs


class TooLarge(Exception):
    """A batch of this size does not fit; the message is the reason."""


@dataclass(frozen=True)
class Choice:
    """The result of the search.

    Args:
        size: the batch size.
        tried: (size, examples per second) of each size that fits, in order.
        reason: why the search ended.
    """

    size: int
    tried: tuple[tuple[int, float], ...]
    reason: str


def search(start: int, most: int, measure: Callable[[int], float], gain: float) -> Choice:
    """Return the size that the search arrives at.

    Args:
        start: tried first, if at most `most`.
        most: the largest allowed.
        measure: size -> examples per second.
        gain: the share by which a doubling must raise the speed; 0: any size that fits will do.

    Raises:
        TooLarge: not even one example fits.
    """
    size, tried, chosen, best, misses, too_large = min(start, most), [], 0, 0.0, 0, ""
    while True:
        try:
            speed = measure(size)
        except TooLarge as error:
            too_large = f"{size:,} {error}"
            if chosen:
                break
            if size == 1:
                raise
            size //= 2
            continue
        tried.append((size, speed))
        if not gain or not chosen or speed >= best * (1 + gain):
            chosen, best, misses = size, speed, 0
        else:
            misses += 1
        if too_large or misses == MAX_MISSES or size * 2 > most:
            break
        size *= 2
    after = [f"{s:,}" for s, _ in tried if s > chosen]
    if after:
        reason = f"{' and '.join(after)} would not be faster by {gain:.0%}"
    else:
        reason = too_large or f"there are {most:,} training examples to take"
    return Choice(chosen, tuple(tried), reason)


def speed(job: Job, trainer: Any, limit: int | None, parts: int = 1) -> float:
    """Return the examples per second of a job, which is trained and then discarded.

    Args:
        job: compiled.
        trainer: that the run will have.
        limit: of the estimated bytes of a step; None: no limit.
        parts: parts of each batch, one after another or on several devices.

    Raises:
        TooLarge: the batch does not fit.
    """
    cost = Cost.of(job.model, -(-job.plan.batch_size // parts))
    if limit is not None and cost.memory > limit:
        raise TooLarge(f"would need about {scaled(cost.memory)}B, and {scaled(limit)}B are the limit")
    try:
        return _timed(short(job, cost), trainer)
    except tf.errors.ResourceExhaustedError as error:
        raise TooLarge("ran out of memory") from error


def short(job: Job, cost: Cost) -> Job:
    """Return the job of a trial: a few steps, without validation."""
    plan = job.plan
    affordable = int(OPERATIONS / max(cost.flops * FORWARD_PASSES_PER_STEP * plan.batch_size, 1))
    steps = min(plan.steps_per_epoch, MAX_STEPS, max(affordable, MIN_STEPS))
    examples = min(plan.examples, steps * plan.batch_size)
    return replace(
        job,
        validation=None,
        plan=replace(plan, epochs=EPOCHS, steps_per_epoch=steps, examples=examples),
    )


def _timed(job: Job, trainer: Any) -> float:
    watch = Stopwatch()
    trainer.train(job, [watch])
    return job.plan.examples / max(min(watch.seconds), 1e-9)


class Stopwatch(keras.callbacks.Callback):
    """Measure the seconds of each epoch after the first."""

    coarse = True

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._last: float | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
            self.model.stop_training = sum(self.seconds) > ENOUGH_S
        self._last = now


def memory_limit(megabytes: int | None) -> int | None:
    """Return the limit of the estimated bytes of a step, or None on devices that raise when memory runs out.

    Args:
        megabytes: as configured; None: half of the free memory, on a CPU.
    """
    if megabytes is not None:
        return megabytes * 10**6
    if tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"):
        return None
    return machine.available_memory() // 2
