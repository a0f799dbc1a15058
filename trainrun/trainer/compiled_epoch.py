"""A pass over a split in compiled code: many steps per call, on one device or on replicas of the model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.data.dataset import Split
from trainrun.step import _result
from trainrun.trainer import compiled_calls, held_arrays, replica_step
from trainrun.trainer.change_over import ChangeOver
from trainrun.trainer.executor import ONE_THREAD, THREAD_POOL, is_short, may_wait, operation_types, scope
from trainrun.trainer.held_arrays import MAX_HELD_BYTES, exchangeable, gathered, held, held_bytes, kinds
from trainrun.trainer.held_on_demand import HeldInPlace, on_demand
from trainrun.trainer.job import Job
from trainrun.trainer.steps_per_call import Pace, traced
from trainrun.trainer.stored_pass import StoredPass
from trainrun.util.clock import INPUT

if TYPE_CHECKING:
    from trainrun.augment._sequence import Augmentations

Step = Callable[[keras.Model, Any, tf.Tensor, "tf.Tensor | None", Any], tuple[tf.Tensor, Any]]


class Pass:
    """Steps over a split, in the order of the indices that it is called with.

    The order is an argument, computed by numpy from (seed, epoch); the compiled code draws nothing and keeps no state. One
    `tf.while_loop` gathers each batch, takes the step and updates the metrics. Its bounds depend on the indices, so that one
    trace is sufficient for any number of steps, including the smaller last batch of an epoch.

    On the digits MLP with batch size 32 (2 cores), a step of Keras' `fit` takes 3.0 ms, of which 0.3 ms are the kernels. The rest
    is one call of a compiled function, one batch from an iterator and the callbacks' logs per step; here it is per call.

    Args:
        job: its model is compiled, and built under its strategy; its plan has the examples per step over all replicas.
        step: the training step; see `trainrun.step.default`.
        split: the examples.
        reusable: the pass will also be used for other splits (`renew`), without being compiled again.
        augment: changes each batch; default None.
    """

    def __init__(
        self,
        job: Job,
        step: Step,
        split: Split,
        reusable: bool = False,
        augment: Augmentations | None = None,
    ):
        model, batch_size = job.model, job.plan.batch_size
        self.model, self.step, self.split, self.batch_size = model, step, split, batch_size
        self.flops, self.state, self.clock = job.cost().step_flops, job.state, job.clock
        self.strategy = model.distribute_strategy
        self.replicated = is_replicated(self.strategy)
        self.arrays = (split.x, split.y, split.weight)
        self.parts = 2 if split.weight is None else 3
        # Examples of a whole pass, and of its smaller last batch (0: all batches are full).
        self.most = job.examples_of_pass(split)
        self.last = self.most % batch_size
        self.some_are_empty = (len(split) % batch_size or batch_size) < self.strategy.num_replicas_in_sync
        size, reusable = held_bytes(split), reusable and held_arrays.may_renew()
        fits = size <= MAX_HELD_BYTES
        on_one = fits and not self.replicated
        self.on_demand = on_demand(self.arrays, reusable, job.state.shared) if on_one else None
        self.held = self.on_demand.held if self.on_demand is not None else None
        if fits and self.held is None:
            with tf.device("cpu:0") if self.replicated else tf.device(None):
                self.held = held(self.arrays, exchangeable if reusable else held_arrays.whole)
        self.block = held_arrays.steps_of_block(split, batch_size)
        self.by_xla = model.jit_compile and not self.replicated and not model.run_eagerly
        self.traced = False  # TensorFlow's profiler must see its kernels
        self.augment = augment
        if augment is not None:
            # Seed, epoch and first step of the call: a variable, so that one program takes all of them.
            with tf.device("cpu:0") if self.replicated else tf.device(None):
                self.place = tf.Variable([0, 0, 0], trainable=False, dtype=tf.int64)
        self.stored = StoredPass(self, job)
        self.executor: str | None = None
        self.by_kernels: Callable[[np.ndarray, tuple], dict] | None = None
        self._function: Any = None
        self.loaded_operations: set[str] = set()
        self._change_over = ChangeOver(self)

    @staticmethod
    def fits(model: keras.Model, split: Split) -> bool:
        """Return whether a split is small enough to be held in memory for a model on one device."""
        return not is_replicated(model.distribute_strategy) and held_bytes(split) <= MAX_HELD_BYTES

    def renew(self, split: Split, most: int) -> bool:
        """Use another split, of `most` examples a pass, from now on; return False if its arrays have other shapes or dtypes."""
        arrays = (split.x, split.y, split.weight)
        if self.held is None or kinds(arrays) != kinds(self.arrays):
            return False
        if (len(split), most) != (len(self.split), self.most):
            if self.by_xla or self._change_over.compiled:
                return False  # the program is compiled for these numbers
            self.most, self.last = most, most % self.batch_size
        if isinstance(self.on_demand, HeldInPlace):
            if renewed := self.on_demand.renew(arrays):
                self.split, self.arrays = split, arrays
            return renewed
        variables, new = tf.nest.flatten(self.held), tf.nest.flatten(arrays)
        if any(v is not None and not isinstance(v, tf.Variable) for v in variables):
            return False
        for variable, array in zip(variables, new, strict=True):
            if variable is not None:
                variable.assign(held_arrays.whole(held_arrays.stored(array)))
        self.split, self.arrays, self.on_demand = split, arrays, None
        return True

    def begin(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Begin a training of a job with these callbacks."""
        self.traced = traced(callbacks)
        self._change_over.begin(job, callbacks)

    def calls(
        self, order: np.ndarray, pace: Pace, first: int = 0, epoch: tuple[int, int] = (0, 0)
    ) -> Iterator[tuple[int, int, Callable[[], dict]]]:
        """Yield the calls that make up a pass.

        Args:
            order: indices of examples, `[n]` int64.
            pace: the number of steps per call; gets their duration.
            first: the step to begin with.
            epoch: the run's seed and the epoch, which `augment` draws by.

        Yields:
            `(first, last, run)`: the first and last step of a call, and the call, which returns the metrics since their last reset.
        """
        steps = -(-len(order) // self.batch_size)
        if self.held is None:
            yield from self._sent(order, steps, pace, first, epoch)
            return
        at = first
        while at < steps:
            count = pace.steps(steps - at, at)
            part = order[at * self.batch_size : (at + count) * self.batch_size]
            yield at, at + count - 1, lambda part=part, at=at: self.call(part, self.held, pace, (*epoch, at))
            at += count

    def _sent(
        self, order: np.ndarray, steps: int, pace: Pace, first: int, epoch: tuple[int, int]
    ) -> Iterator[tuple[int, int, Callable]]:
        """Yield the calls for a split in the host's memory or on disk; the next block is read during each call."""
        parts, at = [], first
        while at < steps:
            count = min(self.block, pace.fixed or self.block, steps - at)
            if pace.stride:
                count = min(count, pace.stride - at % pace.stride)
            parts.append((at, at + count))
            at += count

        def read(start: int, stop: int) -> tuple:
            index = order[start * self.batch_size : stop * self.batch_size]
            return len(index), held_arrays.block(self.split, index)

        with ThreadPoolExecutor(1) as reader:
            pending: Future | None = None
            for (start, stop), following in itertools.zip_longest(parts, parts[1:]):
                n, data = (pending or reader.submit(read, start, stop)).result()
                pending = reader.submit(read, *following) if following else None
                indices = np.arange(n, dtype="int64")
                at = (*epoch, start)
                yield start, stop - 1, lambda i=indices, d=data, at=at: self.call(i, d, pace, at)

    def call(
        self, index: np.ndarray, data: tuple, pace: Pace, at: tuple[int, int, int] = (0, 0, 0)
    ) -> dict[str, Any]:
        """Make one call and report its duration to the pace.

        Args:
            index: of the examples.
            data: that they are taken from.
            pace: gets the duration of a step.
            at: the run's seed, the epoch and the first step, which `augment` draws by.
        """
        self.stored.wait()
        if self.augment is not None:
            self.place.assign(at)
        start = time.perf_counter()
        if self.on_demand is not None:
            with self.clock(INPUT):
                index = self.on_demand.read(index)
            self.on_demand = None if self.on_demand.done else self.on_demand
        first = self.by_kernels is None
        if first:
            self._prepare()
        if self._change_over.due(at[1]):
            first = first or not self._change_over.compiled
            logs = self._change_over.call(index, data, at[1])
        else:
            with scope(self.executor):
                logs = self.by_kernels(index, data)
        if not first:  # the first call compiles
            pace.took((time.perf_counter() - start) / -(-len(index) // self.batch_size))
        return logs

    def _prepare(self) -> None:
        """Load the stored program, else compile the pass for the executor that suits it."""
        if self.model.run_eagerly:
            self.executor, self.by_kernels = THREAD_POOL, self.run_steps
            return
        if self.stored.load():
            return
        self._function, self.by_kernels = (
            compiled_calls.by_xla(self) if self.by_xla else compiled_calls.by_kernels(self)
        )
        if self.executor == ONE_THREAD and may_wait(self._traced().graph):
            self.executor = THREAD_POOL
            self._function, self.by_kernels = compiled_calls.by_kernels(self)
        if self.replicated and compiled_calls.GATHER in self.operations():
            self.by_kernels = compiled_calls.of_equal_steps(self.by_kernels, self)
        self.stored.save(self._traced)

    def operations(self) -> set[str]:
        """Return the types of the operations in the compiled pass; empty before its first call."""
        return operation_types(self._traced().graph) if self._function is not None else self.loaded_operations

    def _traced(self) -> Any:
        with scope(self.executor):
            return self._function.get_concrete_function()

    def on_one_cpu(self) -> bool:
        """Return whether the steps are kernels on one CPU."""
        if tf.config.list_logical_devices("GPU") or self.replicated or self.traced:
            return False
        return not self.model.run_eagerly and not self.model.jit_compile

    def on_one_thread(self) -> bool:
        """Return whether a step runs on one thread."""
        return self.on_one_cpu() and is_short(self.flops, self.split.x, self.batch_size)

    def run_steps(self, index: tf.Tensor, data: tuple, examples: tf.Tensor | None = None) -> dict[str, Any]:
        """Step through the batches of `index` and return the metrics.

        Args:
            index: of the examples.
            data: that they are taken from.
            examples: how many of `index` to use, for XLA, which needs the size of each batch; default None: all.
        """
        step = partial(replica_step.take, self) if self.replicated else self._on_one
        for first, end, take in self.loops(index, examples):

            def body(at: tf.Tensor, take: Callable = take) -> list[tf.Tensor]:
                step(take(at), data, at)
                return [at + self.batch_size]

            tf.while_loop(lambda at, end=end: at < end, body, [first], parallel_iterations=1)
        return self.model.get_metrics_result()

    def loops(
        self, index: tf.Tensor, examples: tf.Tensor | None
    ) -> list[tuple[tf.Tensor, tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]]:
        """Return first place, end, and the function from a place to the indices of a batch, for each size of batches."""
        batch, last = self.batch_size, self.last
        if examples is None:
            return [(tf.constant(0), tf.shape(index)[0], lambda at: index[at : at + batch])]
        full = examples // batch * batch
        loops = [(tf.constant(0), full, lambda at: tf.slice(index, [at], [batch]))]
        return [*loops, (full, examples, lambda at: tf.slice(index, [at], [last]))] if last else loops

    def examples(self, index: tf.Tensor, data: tuple, at: tf.Tensor) -> tuple:
        """Return the examples `(x, y, weight)` of a batch, augmented.

        Args:
            index: of the batch's examples.
            data: that they are taken from.
            at: the number of examples of the call before the batch.
        """
        batch = gathered(data, index, self.arrays)
        if self.augment is None:
            return batch
        step = tf.cast(at // self.batch_size, tf.int64)
        return self.augment(*batch, self.place + tf.stack([tf.zeros_like(step), tf.zeros_like(step), step]))

    def _on_one(self, index: tf.Tensor, data: tuple, at: tf.Tensor) -> None:
        x, y, weight = self.examples(index, data, at)
        loss, y_pred = _result.taken(self.step, self.model, x, y, weight, 1.0)
        keras_model_private.count_loss(self.model, loss, tf.shape(index)[0])
        self.model.compute_metrics(x, y, y_pred, sample_weight=weight)


def is_replicated(strategy: tf.distribute.Strategy) -> bool:
    """Return whether a model built under the strategy must be run through it, as on several devices."""
    with strategy.scope():
        return tf.distribute.has_strategy()
