"""The change of a long training from TensorFlow's kernels to one XLA program a pass: `trainer.jit_compile=auto`.

The epoch of the change is a function of the model and of the steps before it, and of no clock, and is in each checkpoint: a run that is
resumed, also with more epochs, takes each step by the program that an uninterrupted run takes. It comes late: compiling takes at most a share
of `AT_MOST` of the time trained before, however soon the training ends afterwards. (Figures: benchmarks/training_speed.py.)
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from trainrun.trainer import compiled_calls
from trainrun.trainer.executor import THREAD_POOL, WAITING_OPERATIONS, reads_little, scope
from trainrun.trainer.job import Job
from trainrun.trainer.steps_per_call import traced, wants_steps

if TYPE_CHECKING:
    from trainrun.trainer.compiled_epoch import Pass

XLA_FROM = "xla_from"  # in the plan of a checkpoint: see `first_epoch`
AT_MOST = 1 / 8
# Measured on 2 cores for dense, recurrent, embedding and attention models of 2 to 38 trainable variables, within a factor of 2: seconds
# to trace and compile (nine models of these kinds, within 1.5), seconds of a step's kernels without their work, floating-point operations per second, and bytes of activations per second.
COMPILING_S, COMPILING_S_PER_VARIABLE = 1.0, 0.2
STEP_S, STEP_S_PER_VARIABLE = 50e-6, 12e-6
FLOPS_PER_S, ACTIVATION_BYTES_PER_S = 40e9, 1e9
# A step of more floating-point operations for each trainable variable keeps its kernels, which use the cores better then. The transformer
# at batch 256 has 12 million, and XLA takes half of the time; layers of 256 units have 22 million.
SHORT_FLOPS_PER_VARIABLE = 15e6
# Parts of names of operations with which a pass keeps its kernels: XLA takes three times as long to compile convolutions
# and gains little by them at large batches, draws other random numbers from a seed, and leaves out what checks or prints.
KEPT_TO_KERNELS = ("Conv", "Pool", "Random", "Assert", "CheckNumerics", "Print", *WAITING_OPERATIONS)


def first_epoch(job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> int | None:
    """Return the epoch from which on a job is trained by an XLA program, if its model allows it; None: never.

    A run that is resumed takes the epoch in its checkpoint, also with other callbacks, and under a version with other constants.

    Args:
        job: model and plan.
        callbacks: of the training; one that is called after each step keeps the kernels, whose calls cost less.
    """
    if job.start is not None and not job.start.new_phase and XLA_FROM in job.start.checkpoint.about["plan"]:
        return job.start.checkpoint.about["plan"][XLA_FROM]
    if not job.changes_over or wants_steps(callbacks) or traced(callbacks):
        return None
    plan, variables = job.plan, len(job.model.trainable_variables)
    cost = job.cost()
    compiling = COMPILING_S + COMPILING_S_PER_VARIABLE * variables
    step = STEP_S + STEP_S_PER_VARIABLE * variables + cost.step_flops / FLOPS_PER_S
    step += cost.activations / ACTIVATION_BYTES_PER_S
    return plan.first_epoch + math.ceil(compiling / AT_MOST / step / plan.steps_per_epoch)


class ChangeOver:
    """The change of one pass; it compiles at its first call.

    Args:
        steps: the pass.

    Attributes:
        compiled: whether the program exists, or it is known that there will be none.
    """

    def __init__(self, steps: Pass):
        self._steps, self._epoch, self._announced = steps, None, False
        self._xla: compiled_calls.Call | None = None
        self._about: dict[str, Any] = {}  # of the program, for the journal

    def begin(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Begin a training of a job with these callbacks."""
        self._epoch, self._announced = first_epoch(job, callbacks), False

    def due(self, epoch: int) -> bool:
        """Return whether an epoch is behind the change."""
        return self._epoch is not None and epoch >= self._epoch

    @property
    def compiled(self) -> bool:
        return bool(self._about)

    def call(self, index: np.ndarray, data: tuple, epoch: int) -> dict[str, Any]:
        """Make a call of the pass by the program, or by its kernels where XLA is no gain or does not compile it."""
        begun = time.perf_counter()
        if not self.compiled and (reason := self._kept()) is not None:
            self._about = {"refused": reason}
        try:
            logs = self._by_kernels(index, data) if "refused" in self._about else self._by_xla(index, data)
        except Exception as error:  # of many types, InternalError among them
            if self.compiled:
                raise
            text = str(error) or type(error).__name__
            self._about = {"refused": text.splitlines()[0][:200]}  # while compiling: no step was taken
            logs = self._by_kernels(index, data)
        if not self.compiled:
            self._about = {"seconds": round(time.perf_counter() - begun, 3)}
        if not self._announced:
            self._announced = True
            self._steps.state.event("xla", epoch=epoch + 1, **self._about)
        return logs

    def _kept(self) -> str | None:
        """Return why the pass keeps its kernels, or None."""
        steps = self._steps
        short = SHORT_FLOPS_PER_VARIABLE * len(steps.model.trainable_variables)
        if not steps.on_one_cpu() or steps.flops > short or not reads_little(steps.split.x, steps.batch_size):
            return "the kernels of a step are not short"
        names = sorted(n for n in steps.operations() if any(part in n for part in KEPT_TO_KERNELS))
        return f"operations {', '.join(names)}" if names else None

    def _by_xla(self, index: np.ndarray, data: tuple) -> dict[str, Any]:
        if self._xla is None:
            self._xla = compiled_calls.by_xla(self._steps)[1]
        with scope(THREAD_POOL):
            return self._xla(index, data)

    def _by_kernels(self, index: np.ndarray, data: tuple) -> dict[str, Any]:
        with scope(self._steps.executor):
            return self._steps.by_kernels(index, data)
