"""Images that TensorFlow holds for a pass, read before the first call that needs them: training begins while others are not decoded."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tensorflow as tf

from trainrun.data.lazy_array import View
from trainrun.trainer.held_arrays import aligned, exchangeable, held, whole


class HeldOnDemand:
    """What TensorFlow holds of a split on a CPU, with the examples of views that have been asked for.

    Args:
        arrays: `(x, y, weight)` of the split.
        reusable: hold variables, see `held_arrays.exchangeable`.

    Attributes:
        held: tensors, which share the memory that is written to, or variables.
        example_s: seconds for an example at the latest reading; None: nothing was read.
    """

    def __init__(self, arrays: Any, reusable: bool):
        self._targets: list[tuple[View, np.ndarray | tf.Variable]] = []
        self._reusable = reusable
        self.held = held(arrays, self._hold)
        self._missing = np.ones(len(self._targets[0][0]), "bool")
        self.example_s: float | None = None

    @staticmethod
    def fits(arrays: Any) -> bool:
        """Return whether examples are not decoded yet; on a GPU all are sent there at once."""
        complete = all(a.complete for a in tf.nest.flatten(arrays) if isinstance(a, View))
        return not complete and not tf.config.list_logical_devices("GPU")

    @property
    def complete(self) -> bool:
        """Whether all examples are here, and no file of the other parts can turn out to be damaged any more."""
        return not self._missing.any() and all(view.complete for view, _ in self._targets)

    def read(self, index: np.ndarray) -> None:
        """Read those of some examples that are missing.

        Raises:
            UserError: files are damaged, of these examples or of others that were read meanwhile.
        """
        index = np.unique(index)
        index = index[self._missing[index]]
        if not len(index):
            for view, _ in self._targets:
                view.rows.prepare(index)
            return
        begun = time.perf_counter()
        for view, target in self._targets:
            if isinstance(target, tf.Variable):
                target.scatter_update(tf.IndexedSlices(view[index], index))
            else:
                target[index] = view[index]
        self._missing[index] = False
        self.example_s = (time.perf_counter() - begun) / len(index)

    def _hold(self, array: np.ndarray | View) -> Any:
        if not isinstance(array, View) or array.complete:
            return exchangeable(array) if self._reusable else whole(array)
        values = aligned(array)
        if self._reusable:
            target = tensor = tf.Variable(values, trainable=False, shape=[None, *array.shape[1:]])
        else:
            target, tensor = values, tf.experimental.dlpack.from_dlpack(values.__dlpack__())
        self._targets.append((array, target))
        return tensor
