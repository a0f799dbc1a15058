"""The stored program of one pass: loaded at its first call, or in a thread before it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.trainer.executor import ONE_THREAD, THREAD_POOL, scope
from trainrun.trainer.stored_programs import Store
from trainrun.util import background

if TYPE_CHECKING:
    from trainrun.trainer.compiled_epoch import Pass
    from trainrun.trainer.job import Job

# Two programs at once take a third more of the processor than one after the other.
_OPTIMIZING = threading.Lock()


class StoredPass:
    """Loads and stores the program of a pass.

    Args:
        steps: the pass.
        job: that it was made for; released when the program exists.
    """

    def __init__(self, steps: Pass, job: Job):
        self._steps, self._job = steps, job
        self._store: Store | None = None
        self._first: Future | None = None  # see `load_beside`

    def load(self) -> bool:
        """Choose the executor of the pass, and load its stored program if there is one."""
        steps = self._steps
        steps.executor = ONE_THREAD if steps.on_one_thread() else THREAD_POOL
        if self._store is None:
            self._store, self._job = Store(steps, self._job), None
        if (program := self._store.load()) is None:
            return False
        steps.by_kernels, steps.executor, steps.loaded_operations = (
            program.call,
            program.executor,
            program.operations,
        )
        self._store = None
        return True

    def load_beside(self) -> None:
        """Load the stored program, and have TensorFlow optimize it in a thread (0.08 s), while Keras prepares the training.

        By a call without examples, which takes no step: it changes no variable. Without a stored program nothing happens.
        """
        steps = self._steps
        if steps.by_kernels is None and not steps.model.run_eagerly and self.load():

            def call() -> None:
                with _OPTIMIZING, scope(steps.executor):
                    steps.by_kernels(np.zeros(0, "int64"), steps.held)

            self._first = background.begin(call)

    def wait(self) -> None:
        """Wait for the thread of `load_beside`."""
        if self._first is not None:
            first, self._first = self._first, None
            first.result()

    def save(self, traced: Callable[[], Any]) -> None:
        """Store the program that has been traced, where that can be.

        Args:
            traced: returns the traced function.
        """
        if self._store.file is not None:
            self._store.save(traced(), self._steps.executor)
        self._store = None
