"""The weights of the best epoch so far, which `artifacts.weights=best` makes the model of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from trainrun.checkpoint import training_state
from trainrun.model.variables import by_purpose

KIND = "weights/"


class BestWeights:
    """The best value of a column of the logs, its epoch, and the weights at its end.

    Of equal values the earliest is best. The weights are part of each checkpoint's state, not only of `best.npz`: a run that goes
    on from an older checkpoint, on another course, cannot end with the weights of an epoch that it has not trained.

    Args:
        monitor: the column.
        maximize: whether a larger value is better.
        keep: whether to keep the weights; False: the value and its epoch only.

    Attributes:
        value, epoch: the best so far; epochs count from 1. None and 0 before there is one.
    """

    def __init__(self, monitor: str = "val_loss", maximize: bool = False, keep: bool = True):
        self.monitor, self.maximize, self.keep = monitor, maximize, keep
        self.value: float | None = None
        self.epoch = 0
        self._arrays: dict[str, np.ndarray] = {}

    def improves(self, logs: Mapping[str, Any]) -> bool:
        """Return whether the logs of an epoch are better than the best so far; they may lack the column."""
        value = float(logs.get(self.monitor, math.nan))
        if math.isnan(value) or self.value is None:
            return math.isfinite(value)
        return value > self.value if self.maximize else value < self.value

    def begin(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Take an epoch for the best; until `take`, its weights are those of the model."""
        self.value, self.epoch, self._arrays = float(logs[self.monitor]), epoch, {}

    def take(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the weights among the arrays of a state, as a `StateReader` returns them."""
        self._arrays = {k: a for k, a in arrays.items() if k.startswith(KIND)} if self.keep else {}

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint; without arrays if the best epoch is the one that ends here."""
        return {"value": self.value, "epoch": self.epoch, "arrays": self._arrays}

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Restore the result of `get_state`.

        Args:
            state: as returned.
            arrays: of the model, which is restored already.
        """
        self.value, self.epoch = state["value"], int(state["epoch"])
        self.take(state["arrays"] or (arrays if self.epoch else {}))

    def restore(self, model: keras.Model) -> bool:
        """Set the model's weights to those of the best epoch; return whether there are any."""
        if not self._arrays:
            return False
        for i, variable in enumerate(by_purpose(model)["weights"]):
            training_state.assign(variable, training_state.values(self._arrays, f"{KIND}{i:04d}"))
        return True
