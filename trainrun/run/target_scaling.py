"""A real target is learnt in deviations from its mean, and measured and predicted in its own unit.

Any optimizer at its usual rate then fits a target of any size, and an error still reads in euros or millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from trainrun.compat import keras_model_private
from trainrun.data.dataset import Dataset


class Unit:
    """The affine map between a target in its own unit and in deviations from its mean.

    Args:
        mean, scale: of the training targets, one number an output.
    """

    def __init__(self, mean: Sequence[float], scale: Sequence[float]):
        self.mean = np.asarray(mean, "float32")
        self.scale = np.asarray(scale, "float32")

    @classmethod
    def of(cls, data: Dataset) -> Unit | None:
        """Return the unit that the dataset recorded under `preprocessing["standardize_target"]`, if it did."""
        found = data.preprocessing.get("standardize_target")
        return cls(found["mean"], found["std"]) if found else None

    def standard(self, y: np.ndarray) -> np.ndarray:
        """Return targets `[n, outputs]` as deviations from the mean."""
        return ((y - self.mean) / self.scale).astype("float32")

    def own(self, y: np.ndarray) -> np.ndarray:
        """Return deviations `[n, outputs]` in the target's unit."""
        return y * self.scale + self.mean

    def metric(self, metric: keras.metrics.Metric) -> keras.metrics.Metric:
        """Return the metric, measuring in the target's unit."""
        return InUnits(metric, self.mean.tolist(), self.scale.tolist())

    def model(self, model: keras.Model) -> keras.Model:
        """Return a model over the same weights whose output is in the target's unit."""
        scale = keras.layers.Rescaling(self.scale.tolist(), self.mean.tolist(), dtype="float32", name="unit")
        return keras.Model(
            model.inputs if len(model.inputs) > 1 else model.inputs[0],
            scale(model.outputs[0]),
            name=model.name,
        )


@keras.saving.register_keras_serializable("trainrun")
class InUnits(keras.metrics.Metric):
    """A metric that is given standardized targets and predictions and measures in the target's own unit.

    Args:
        metric: the metric inside; its name and dtype are this one's.
        mean, scale: one number an output: own = standard · scale + mean.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        mean: Sequence[float],
        scale: Sequence[float],
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or metric.name, dtype=dtype or metric.dtype)
        self.metric, self.mean, self.scale = metric, list(mean), list(scale)
        keras_model_private.copy_direction(metric, self)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Convert a batch `[batch, outputs]` and hand it to the metric inside."""
        own = [ops.cast(y, self.dtype) * self.scale + self.mean for y in (y_true, y_pred)]
        self.metric.update_state(*own, sample_weight=sample_weight)

    def result(self) -> Any:
        return self.metric.result()

    def reset_state(self) -> None:
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        inside = keras.saving.serialize_keras_object(self.metric)
        return {**super().get_config(), "metric": inside, "mean": self.mean, "scale": self.scale}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InUnits:
        return cls(**{**config, "metric": keras.saving.deserialize_keras_object(config["metric"])})
