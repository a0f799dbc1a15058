"""Images that TensorFlow has for a pass, read before the first call that needs them: training begins while others are not decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from trainrun.data.lazy_array import RowsOnDemand, View
from trainrun.trainer.held_arrays import aligned, exchangeable, held, in_variable, shared, stored, whole


def on_demand(arrays: Any, reusable: bool, by_trials: bool) -> HeldInPlace | HeldOnDemand | None:
    """Return what TensorFlow has of a split whose images are decoded on demand; None: all examples are here, or go to a GPU at once.

    Args:
        arrays: `(x, y, weight)` of the split.
        reusable: for other splits, too.
        by_trials: also for those of other trials, whose images are others: all is held in variables, see `held_arrays.exchangeable`.
    """
    if tf.config.list_logical_devices("GPU"):
        return None
    if not (reusable and by_trials) and HeldInPlace.fits(arrays):
        return HeldInPlace(arrays, reusable)
    complete = all(view.complete for view in _views(arrays))
    return None if complete else HeldOnDemand(arrays, reusable)


class HeldInPlace:
    """Images that are gathered from the file in which they are decoded; the other arrays have a row for each image of the file, too.

    Without a copy of the images there is neither its memory nor the time to touch that first.

    Args:
        arrays: as in `on_demand`.
        reusable: also for other splits of the same images.

    Attributes:
        held: tensors; but for the images variables, if `reusable`.
    """

    done = False  # indices of examples always become those of rows

    def __init__(self, arrays: Any, reusable: bool):
        (view,) = _views(arrays)
        self._rows, self._index, self._reusable = view.rows, view.index, reusable
        self.held = held(arrays, self._hold)

    def _hold(self, array: np.ndarray | View) -> tf.Tensor | tf.Variable:
        if isinstance(array, View):
            return shared(array.rows.memory)
        values = self._by_row(array)
        return tf.Variable(values, trainable=False) if self._reusable else tf.constant(values)

    def _by_row(self, array: np.ndarray) -> np.ndarray:
        """Return an array of the split with a row for each image of the file."""
        rows = np.zeros((len(self._rows), *array.shape[1:]), array.dtype)
        rows[self._index] = array
        return rows

    def renew(self, arrays: Any) -> bool:
        """Hold another split of the same images from now on; return False if its images are others."""
        views = _views(arrays)
        if not self._reusable or len(views) != 1 or views[0].rows is not self._rows:
            return False
        self._index = views[0].index
        for variable, array in zip(tf.nest.flatten(self.held), tf.nest.flatten(arrays), strict=True):
            if isinstance(variable, tf.Variable):
                variable.assign(self._by_row(array))
        return True

    @staticmethod
    def fits(arrays: Any) -> bool:
        """Return whether there is one array of images, in a mapped file that TensorFlow can read, and the others are small beside it."""
        views = _views(arrays)
        if len(views) != 1 or not isinstance(views[0].rows, RowsOnDemand):
            return False
        memory, bytes_of_view = views[0].rows.memory, stored(views[0])
        others = [a for a in tf.nest.flatten(arrays) if isinstance(a, np.ndarray)]
        return (
            memory is not None
            and memory.ctypes.data % 64 == 0
            and (memory.dtype, memory.shape[1:]) == (bytes_of_view.dtype, views[0].example)
            and bytes_of_view.standard is None
            and sum(a.nbytes for a in others) < bytes_of_view.nbytes
        )

    def read(self, index: np.ndarray) -> np.ndarray:
        """Decode those of some examples that are missing; return their rows.

        Raises:
            UserError: files are damaged, of these examples or of others that were read meanwhile.
        """
        rows = self._index[index]
        self._rows.prepare(rows)
        return rows


class HeldOnDemand:
    """What TensorFlow holds of a split on a CPU, with the examples of views that have been asked for.

    Args:
        arrays: as in `on_demand`.
        reusable: in variables.

    Attributes:
        held: tensors or variables, which share the memory that is written to.
    """

    def __init__(self, arrays: Any, reusable: bool):
        self._targets: list[tuple[View, np.ndarray]] = []
        self._reusable = reusable
        self.held = held(arrays, self._hold)
        self._missing = np.ones(len(self._targets[0][0]), "bool")

    @property
    def done(self) -> bool:
        """Whether all examples are here, and no file of the other parts can turn out to be damaged any more."""
        return not self._missing.any() and all(view.complete for view, _ in self._targets)

    def read(self, examples: np.ndarray) -> np.ndarray:
        """Read those of some examples that are missing; return their indices.

        Raises:
            UserError: files are damaged, of these examples or of others that were read meanwhile.
        """
        index = np.unique(examples)
        index = index[self._missing[index]]
        if not len(index):
            for view, _ in self._targets:
                view.rows.prepare(index)
            return examples
        for view, target in self._targets:
            target[index] = view[index]
        self._missing[index] = False
        return examples

    def _hold(self, array: np.ndarray | View) -> Any:
        if not isinstance(array, View) or array.complete:
            return exchangeable(array) if self._reusable else whole(array)
        values = aligned(array)
        self._targets.append((array, values))
        return in_variable(shared(values)) if self._reusable else shared(values)


def _views(arrays: Any) -> list[View]:
    return [array for array in tf.nest.flatten(arrays) if isinstance(array, View)]
