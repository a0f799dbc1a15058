"""Standardized real targets: trained as deviations from their mean, measured and predicted in their own unit.

An optimizer at its usual rate then fits a target of any size, and errors are in the target's unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from trainrun.compat import keras_metric_private
from trainrun.data.dataset import Dataset
from trainrun.util.declarations import MetricDeclaration

# Name of the last layer of a saved model, which converts its output to the target's unit.
UNIT_LAYER = "unit"


class Unit:
    """The affine map between a target in its own unit and in deviations from its mean, in float64.

    float32 has seven digits: around 1.6e9 its numbers are 128 apart, so the mean is subtracted before the cast.

    Args:
        mean, scale: of the training targets, one number an output.
    """

    def __init__(self, mean: Sequence[float], scale: Sequence[float]):
        self.mean = np.asarray(mean, "float64")
        self.scale = np.asarray(scale, "float64")

    @classmethod
    def of(cls, data: Dataset) -> Unit | None:
        """Return the unit recorded by the dataset under `preprocessing["standardize_target"]`, or None."""
        fitted = data.preprocessing.get("standardize_target")
        return cls(fitted["mean"], fitted["std"]) if fitted else None

    def standard(self, y: np.ndarray) -> np.ndarray:
        """Return targets `[n, outputs]` as deviations from the mean, float32."""
        return ((y.astype("float64") - self.mean) / self.scale).astype("float32")

    def own(self, y: np.ndarray) -> np.ndarray:
        """Return deviations `[n, outputs]` in the target's unit, float64."""
        return y.astype("float64") * self.scale + self.mean

    def metric(self, metric: keras.metrics.Metric, declared: MetricDeclaration) -> keras.metrics.Metric:
        """Return the metric, measuring in the target's unit.

        Args:
            metric: for targets and predictions in their own unit.
            declared: its invariances. Where they allow, the mean is not added, since 5000.4 - 5000.3 has fewer digits in
                float32 than 0.4 - 0.3, and the scale is divided by its maximum, since the square of 1e37 is infinite.
        """
        shift, mean, scale = declared.shift_invariance, self.mean, self.scale
        if shift == "each" or (shift == "common" and mean.size == 1):
            mean = np.zeros_like(mean)
        if declared.scale_invariant:
            mean, scale = mean / scale.max(), scale / scale.max()
        return InUnits(metric, mean.tolist(), scale.tolist())

    def model(self, model: keras.Model) -> keras.Model:
        """Return a model over the same weights whose output is in the target's unit, float64.

        A layer that converts the output to deviations (`deviations`) is merged with the one that converts it back.
        """
        scale, offset, output = self.scale, self.mean, model.outputs[0]
        if (last := _rescaling(model)) is not None:
            scale, offset = scale * np.asarray(last.scale), scale * np.asarray(last.offset) + offset
            output = last.input
        return _rescaled(model, output, scale, offset)

    def deviations(self, model: keras.Model) -> keras.Model:
        """Return a model over the same weights whose output is in deviations, from one whose output is in the unit.

        The model may have been saved by a run on other data: the layer that converts its output to that data's unit is
        merged with the one that converts it to these deviations.
        """
        scale, offset, output = np.ones_like(self.scale), np.zeros_like(self.mean), model.outputs[0]
        if (last := _rescaling(model)) is not None:
            scale, offset, output = np.asarray(last.scale), np.asarray(last.offset), last.input
        return _rescaled(model, output, scale / self.scale, (offset - self.mean) / self.scale)


def _rescaling(model: keras.Model) -> keras.layers.Rescaling | None:
    """Return the layer that converts the output's unit, if the model ends in one."""
    last = model.layers[-1]
    return last if isinstance(last, keras.layers.Rescaling) and last.name == UNIT_LAYER else None


def _rescaled(model: keras.Model, output: Any, scale: np.ndarray, offset: np.ndarray) -> keras.Model:
    """Return the model up to `output`, times a scale, plus an offset."""
    if not np.allclose(scale, 1, rtol=1e-12, atol=0) or not np.allclose(offset, 0, rtol=0, atol=1e-12):
        # As arrays: TensorFlow converts plain numbers to float32, whatever the layer's dtype.
        output = keras.layers.Rescaling(scale, offset, dtype="float64", name=UNIT_LAYER)(output)
    return keras.Model(model.inputs if len(model.inputs) > 1 else model.inputs[0], output, name=model.name)


@keras.saving.register_keras_serializable("trainrun")
class InUnits(keras.metrics.Metric):
    """A metric over standardized targets and predictions that measures in the target's own unit.

    Args:
        metric: the metric inside; its name and dtype are this one's.
        mean, scale: one number for each output; the metric inside gets deviations · scale + mean.
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
        keras_metric_private.copy_direction(metric, self)

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
