"""`profile=true`: a trace of chosen steps for TensorBoard, and a table of the time of a step.

The table has three measurements:

- *wall*: in the run itself, from one compiled call to the next, with as many steps per call as usual, without the traced
  steps, those that compile, and validation.
- *computation*: after the run, on another model: Keras' step, repeated in compiled code on one batch that stays on the device,
  without input and Python.
- *input*: after the run: producing batches as the trainer does, without using them.

Trainers prepare batches while they compute, so the times do not simply add up: of the wall time without computation, as much
is attributed to input as producing a batch takes, and the rest to Python and other (calls, callbacks, waiting for threads). So
the share of input is an upper bound.

Recording a trace needs TensorFlow only; to view it: `pip install tensorboard tensorboard-plugin-profile`, then
`tensorboard --logdir <run>/profile`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.registry import declaration_reader
from trainrun.trainer import held_arrays
from trainrun.trainer.epoch_loop import build
from trainrun.trainer.fit_from_arrays import Indexed
from trainrun.trainer.held_arrays import MAX_HELD_BYTES, held_bytes
from trainrun.trainer.job import Job
from trainrun.trainer.pipeline import Feed, batches, gather, order
from trainrun.ui import console

FOLDER, FILE = "profile", "profile.json"
MEASUREMENT_S = 0.3
REPEATS = 3  # the fastest one counts, because other programs only slow a measurement down


class Profile(keras.callbacks.Callback):
    """Trace whole calls from a given step on, and time all others.

    A call of compiled code may have many steps; a trace begins and ends between two calls, and does not change their length.

    Args:
        run_dir: the run's directory.
        first, last: steps to trace, counted from 1.
    """

    coarse = True
    transient = True
    traces = True  # TensorFlow does not trace kernels that run on a single thread

    def __init__(self, run_dir: Path, first: int, last: int):
        super().__init__()
        self.run_dir, self.first, self.last = Path(run_dir), first, last
        self.traced: tuple[int, int] | None = None
        # Of each call: epoch, steps, its seconds, and the seconds since the call before.
        self.calls: list[tuple[int, int, float, float]] = []
        self._epoch = self._seen = self._in_epoch = 0
        self._tracing = self._failed = False
        self._idle_since = self._began = self._idle = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch, self._in_epoch = epoch, 0
        self._idle_since = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._idle = time.perf_counter() - self._idle_since
        if self._seen + 1 >= self.first and self.traced is None and not self._failed:
            self._start()
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        steps = batch + 1 - self._in_epoch
        self._in_epoch, self._seen = batch + 1, self._seen + steps
        if self._tracing:
            self.traced = (self.traced[0], self._seen)
            if self._seen >= self.last:
                self._stop()
        else:
            self.calls.append((self._epoch, steps, time.perf_counter() - self._began, self._idle))
        self._idle_since = time.perf_counter()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._stop()

    def _start(self) -> None:
        try:
            tf.profiler.experimental.start(str(self.run_dir / FOLDER))
        except tf.errors.AlreadyExistsError:
            self._failed = True
            console.warn("profile: another profiler is active (callback=tensorboard?); nothing is traced.")
            return
        self._tracing, self.traced = True, (self._seen + 1, self._seen + 1)

    def _stop(self) -> None:
        if self._tracing:
            tf.profiler.experimental.stop()
            self._tracing = False

    def wall(self) -> tuple[int, float, float]:
        """Return the number of timed steps, the seconds of a step, and those of it between two calls."""
        later = [c for c in self.calls if c[0] > self.calls[0][0]] if self.calls else []
        # The first call compiles; the second may compile again for another number of steps.
        kept = later or self.calls[2:] or self.calls
        steps = sum(c[1] for c in kept)
        between = sum(c[3] for c in kept)
        return steps, (sum(c[2] for c in kept) + between) / max(steps, 1), between / max(steps, 1)


def report(callbacks: Sequence[keras.callbacks.Callback], rebuild: Callable[[], Job], trainer: str) -> None:
    """Measure the parts of a step, print the table and write `profile.json`, if a profile is configured.

    Args:
        callbacks: of the finished run.
        rebuild: builds the job again; it is discarded afterwards.
        trainer: its name; its declaration says where batches come from.
    """
    for profile in callbacks:
        if isinstance(profile, Profile):
            content = table(profile, rebuild(), trainer)
            path = profile.run_dir / FILE
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            _show(content, profile)


def table(profile: Profile, job: Job, trainer: str) -> dict[str, Any]:
    """Return the content of `profile.json`; seconds are those of one step."""
    steps, wall, between = profile.wall()
    plan = job.plan
    # The last batch of an epoch may be smaller than the one that is measured.
    share = plan.examples / (plan.steps_per_epoch * plan.batch_size)
    alone = {"computation": computation(job) * share, "input": feeding(job, trainer) * share}
    compute = min(alone["computation"], wall)
    feed = min(alone["input"], wall - compute)
    parts = {"computation": compute, "input": feed, "python_and_other": wall - compute - feed}
    return {
        "trainer": trainer,
        "batch_size": plan.batch_size,
        "steps_timed": steps,
        "seconds": {"wall": wall, **parts},
        "share": {k: round(v / wall, 4) if wall else 0.0 for k, v in parts.items()},
        "alone": alone,
        "between_calls": between,
        "steps_traced": list(profile.traced) if profile.traced else None,
        "trace": FOLDER if profile.traced else None,
    }


def computation(job: Job) -> float:
    """Return the seconds of a step without input and Python: Keras' own step on one batch."""
    build(job)
    model, strategy = job.model, job.model.distribute_strategy
    size = -(-job.plan.batch_size // strategy.num_replicas_in_sync)
    examples = job.train.take(np.arange(min(size, len(job.train))))
    arrays = (examples.x, examples.y) + (() if examples.weight is None else (examples.weight,))
    data = tf.nest.map_structure(tf.constant, arrays)

    def step() -> None:
        if strategy.num_replicas_in_sync > 1:
            strategy.run(model.train_step, args=(data,))
        else:
            model.train_step(data)

    if model.run_eagerly:
        return _seconds(lambda n: [step() for _ in range(n)])
    one = tf.function(step, autograph=False, jit_compile=True) if model.jit_compile else step

    def repeat(i: tf.Tensor) -> tf.Tensor:
        one()
        return tf.constant(0)

    return _seconds(_in_one_call(repeat))


def feeding(job: Job, trainer: str) -> float:
    """Return the seconds of producing a batch, as the trainer does."""
    split, plan = job.train, job.plan
    indices = order(plan, len(split), 0)
    most = plan.steps_per_epoch
    declared = declaration_reader.of("trainer", trainer)
    if declared.input == "python":

        def take(n: int) -> None:
            for batch in batches(split, indices[: n * plan.batch_size], plan.batch_size):
                tf.nest.map_structure(lambda a: None if a is None else tf.convert_to_tensor(a), batch)

        return _seconds(take, most)
    in_passes = declared.input == "gathered" and (not declared.keras_fit or Indexed.fits(job))
    if in_passes and held_bytes(split) > MAX_HELD_BYTES:
        block = held_arrays.steps_of_block(split, plan.batch_size) * plan.batch_size

        def read_blocks(n: int) -> None:
            for start in range(0, n * plan.batch_size, block):
                held_arrays.block(split, indices[start : min(start + block, n * plan.batch_size)])

        return _seconds(read_blocks, most)
    if in_passes:
        read, size, order_of_epoch = gather(split), plan.batch_size, tf.constant(indices)

        def gathered(i: tf.Tensor) -> tf.Tensor:
            batch = tf.nest.flatten(read(order_of_epoch[i * size : (i + 1) * size]))
            # Use one number of each array, or TensorFlow would prune the gathering.
            return tf.add_n(
                [tf.cast(tf.reshape(a, [-1])[0] == tf.reshape(a, [-1])[0], tf.int32) for a in batch]
            )

        return _seconds(_in_one_call(gathered), most)
    iterator = iter(Feed(split, plan).dataset().repeat())

    def drawn(i: tf.Tensor) -> tf.Tensor:
        iterator.get_next()
        return tf.constant(0)

    return _seconds(_in_one_call(drawn), most)


def _in_one_call(body: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[int], int]:
    """Return a function that repeats a body in one compiled call, and returns the sum of its results."""

    @tf.function(autograph=False)
    def several(n: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> list[tf.Tensor]:
            return [i + 1, total + body(i)]

        return tf.while_loop(lambda i, _: i < n, step, [tf.constant(0), tf.constant(0)])[1]

    return lambda n: int(several(tf.constant(n)))


def _seconds(run: Callable[[int], Any], most: int | None = None) -> float:
    """Return the seconds of one repetition, where `run(n)` does `n` of them, at most `most` per call."""

    def timed(n: int) -> float:
        start = time.perf_counter()
        run(n)
        return (time.perf_counter() - start) / n

    run(1)  # compiles
    n = max(1, int(MEASUREMENT_S / max(timed(min(4, most or 4)), 1e-7)))
    n = min(n, most) if most else n
    return min(timed(n) for _ in range(REPEATS))


def _show(content: Mapping[str, Any], profile: Profile) -> None:
    seconds, share = content["seconds"], content["share"]
    notes = {
        "computation": "Keras' step alone, on a batch that stays on the device",
        "input": f"at most; a batch takes {content['alone']['input'] * 1e3:.3f} ms alone",
        "python_and_other": "calls, callbacks, waiting",
    }
    console.say()
    console.say(
        f"a step of {content['batch_size']:,} took {seconds['wall'] * 1e3:.3f} ms ({content['steps_timed']:,} steps timed)",
        "bold",
    )
    for name, note in notes.items():
        console.say(f"{name.replace('_', ' '):<17} {seconds[name] * 1e3:9.3f} ms  {share[name]:4.0%}  {note}")
    if profile.traced:
        first, last = profile.traced
        console.say(f"steps {first} to {last} are traced: tensorboard --logdir {profile.run_dir / FOLDER}")
    elif not profile._failed:
        console.warn(
            f"the run ended before a call that begins at step {profile.first} or later; nothing is traced. "
            "Set profile_steps lower, or train for more epochs."
        )
