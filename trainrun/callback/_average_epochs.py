"""The equal average of the weights at the ends of epochs, which `artifacts.weights=swa` makes the model of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from trainrun.callback._validate_average import ValidateAverage
from trainrun.util.declarations import declare


@declare()
class AverageEpochs(ValidateAverage):
    """Average the weights at the ends of epochs from one on; validate the average, and leave it in the model at the end.

    The statistics of batch normalization are averaged as the weights are, not measured anew. The sum is one of float64.

    Args:
        first: the first epoch that counts, from 0.

    Attributes:
        count: epochs in the average.

    Reference:
        Izmailov et al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization, https://arxiv.org/abs/1803.05407
    """

    def __init__(self, first: int):
        super().__init__()
        self.first, self.count = first, 0
        self._epoch = 0
        self._last = -1  # the last epoch in the average
        self._means: list[np.ndarray] = []

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"first": self.first, "count": self.count, "last": self._last, "means": list(self._means)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `get_state`; an average from another epoch on, of a run of another length, begins anew."""
        if state["first"] == self.first:
            self.count, self._last, self._means = state["count"], state["last"], list(state["means"])

    def averages(self) -> Sequence[tuple[Any, Any]]:
        return list(zip(self._averaged(), self._means, strict=True)) if self.count else []

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._add()
        super().on_test_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._add()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        for variable, mean in self.averages():
            variable.assign(mean)

    def _add(self) -> None:
        """Count the epoch, which validation precedes in some epochs and not in others."""
        if self._epoch < self.first or self._epoch == self._last:
            return
        values = [keras.ops.convert_to_numpy(v).astype("float64") for v in self._averaged()]
        self.count, self._last = self.count + 1, self._epoch
        means = self._means or values
        self._means = [mean + (v - mean) / self.count for mean, v in zip(means, values, strict=True)]

    def _averaged(self) -> list[Any]:
        # Without the states of seed generators and counters.
        return [v for v in self.model.variables if keras.backend.is_float_dtype(v.dtype)]
