"""Pending values: computed by the graph for a model's variables, and not written into them yet.

Writing all variables of all trials after each epoch would take longer than a short epoch. So they are written when something may
read them, counters and learning rates after each pass; checkpoints read pending values directly (`PendingReader`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from trainrun.checkpoint.training_state import Reader, entry_names
from trainrun.compat import keras_private
from trainrun.model.variables import by_purpose
from trainrun.vectorized.shape import variables

if TYPE_CHECKING:
    from trainrun.vectorized.program import Program


class PendingValues:
    """The pending values of one model; initially none.

    Args:
        model: compiled, its variables created.

    Attributes:
        arrays: the program's values of all variables after a pass, `[size, …]` each; None: nothing is pending.
        slot: the model's index in them.
        written: indices of the variables that are written already.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._variables = variables(model)
        kinds = by_purpose(model)
        begin = len(kinds["weights"])
        # Counters and learning rates, which callbacks may read and set.
        self._scalars = [begin + i for i, v in enumerate(kinds["optimizer"]) if tuple(v.shape) == ()]
        self._last: dict[int, Any] = {}  # index of such a variable -> the value written last
        self._program: Program | None = None
        self.arrays: Sequence[np.ndarray] | None = None
        self.slot = 0
        self.written: Collection[int] = ()

    def is_of(self, program: Program) -> bool:
        """Return whether the pending values, if any, come from this program."""
        return self._program is None or self._program is program

    def set(self, program: Program, arrays: Sequence[np.ndarray], slot: int) -> None:
        """Take the values after a pass."""
        self._program, self.arrays, self.slot, self.written = program, arrays, slot, ()

    def value(self, index: int) -> np.ndarray:
        """Return the value of a variable by its index: pending, or its own."""
        if self.arrays is None or index in self.written:
            return keras_private.backing_variable(self._variables[index]).numpy()
        return self.arrays[index][self.slot]

    def values(self) -> list[np.ndarray]:
        """Return the values of all variables."""
        return [self.value(i).copy() for i in range(len(self._variables))]

    def write(self) -> None:
        """Write all pending values into the variables."""
        if self.arrays is None:
            return
        for i in range(len(self._variables)):
            if i not in self.written:
                self._assign(i)
        self._program = self.arrays = None
        self.written = ()

    def write_scalars(self, settable: bool) -> None:
        """Write counters and learning rates; other values stay pending.

        Args:
            settable: a callback may set them, so that the variables hold the valid values from now on. Otherwise only changed
                values are written; an assignment takes some 40 microseconds.
        """
        if self.arrays is None:
            return
        for i in self._scalars:
            if settable or self._last.get(i) != self.arrays[i][self.slot]:
                self._assign(i)
        if settable:
            self.written = self._scalars

    def _assign(self, index: int) -> None:
        value = self.arrays[index][self.slot]
        keras_private.backing_variable(self._variables[index]).assign(value, read_value=False)
        if index in self._scalars:
            self._last[index] = value


class PendingReader:
    """Reads a model's state for checkpoints, without writing pending values first, which would take ten times as long.

    Args:
        model: compiled.
        pending: returns its pending values, or None.
    """

    def __init__(self, model: keras.Model, pending: Callable[[], PendingValues | None]):
        self._model, self._pending = model, pending
        # Each of many models is read too rarely to compile a function for it.
        self._variables = Reader(model, compiled=False)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `trainrun.checkpoint.training_state.StateReader`."""
        pending = self._pending()
        if pending is None or pending.arrays is None:
            return self._variables.arrays()
        of_kind = by_purpose(self._model)
        values = [*pending.values(), *(v.numpy() for v in of_kind["generators"])]
        return dict(zip(entry_names(of_kind), values, strict=True))
