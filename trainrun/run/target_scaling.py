"""Standardized real targets: trained as deviations from their mean, measured and predicted in their own unit.

An optimizer at its usual rate then fits a target of any size, and errors are in the target's unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from trainrun.compat import keras_metric_private
from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.model import functional
from trainrun.util.declarations import MetricDeclaration

# Name of the last layer of a saved model, which converts its output to the target's unit.
UNIT_LAYER = "unit"


class Unit:
    """The affine map between a target in its own unit and in deviations from its mean, in float64.

    float32 has seven digits: around 1.6e9 its numbers are 128 apart, so the mean is subtracted before the cast.

    Args:
        mean, scale: of the training targets, one number an output; of their logarithms if `log` is given.
        log: what is added to the target before its logarithm is taken; None: it is taken as it is.
    """

    def __init__(self, mean: Sequence[float], scale: Sequence[float], log: float | None = None):
        self.mean = np.asarray(mean, "float64")
        self.scale = np.asarray(scale, "float64")
        self.log = log

    @classmethod
    def of(cls, data: Dataset) -> Unit | None:
        """Return the unit recorded by the dataset under `preprocessing["standardize_target"]`, or None."""
        fitted = data.preprocessing.get("standardize_target")
        return cls(fitted["mean"], fitted["std"], fitted.get("log")) if fitted else None

    def standard(self, y: np.ndarray) -> np.ndarray:
        """Return targets `[n, outputs]` as deviations from the mean, float32."""
        # In place, also of the logarithm's array: a column of millions of rows is in memory once.
        values = y.astype("float64") if self.log is None else np.log(y.astype("float64") + self.log)
        values -= self.mean
        values /= self.scale
        return values.astype("float32")

    def own(self, y: np.ndarray) -> np.ndarray:
        """Return deviations `[n, outputs]` in the target's unit, float64."""
        y = y.astype("float64") * self.scale + self.mean
        return y if self.log is None else np.exp(y) - self.log

    def metric(self, metric: keras.metrics.Metric, declared: MetricDeclaration) -> keras.metrics.Metric:
        """Return the metric, measuring in the target's unit.

        Args:
            metric: for targets and predictions in their own unit.
            declared: its invariances. Where they allow, the mean is not added, since 5000.4 - 5000.3 has fewer digits in
                float32 than 0.4 - 0.3, and the scale is divided by its maximum, since the square of 1e37 is infinite.
        """
        if self.log is not None:
            return InUnits(metric, self.mean.tolist(), self.scale.tolist(), self.log)
        shift, mean, scale = declared.shift_invariance, self.mean, self.scale
        if shift == "each" or (shift == "common" and mean.size == 1):
            mean = np.zeros_like(mean)
        if declared.scale_invariant:
            mean, scale = mean / scale.max(), scale / scale.max()
        return InUnits(metric, mean.tolist(), scale.tolist())

    def own_output(self, output: Any, last: keras.layers.Rescaling | None, layer: str) -> Any:
        """Return an output in the target's unit, float64.

        Args:
            output: in deviations.
            last: the layer that has converted it to deviations (`deviations`), which is merged with the one that converts it back.
            layer: name of the new layer.
        """
        scale, offset = self.scale, self.mean
        if last is not None:
            scale, offset = scale * np.asarray(last.scale), scale * np.asarray(last.offset) + offset
            output = last.input
        return self._converted(output, scale, offset, layer)

    def _converted(self, output: Any, scale: np.ndarray, offset: np.ndarray, layer: str) -> Any:
        """Return an output times a scale plus an offset, or that of which this is the logarithm."""
        output = _rescaled(output, scale, offset, layer)
        if self.log is None:
            return output
        output = keras.layers.Activation("exponential", dtype="float64", name=f"{layer}_exponential")(output)
        if self.log:
            output = keras.layers.Rescaling(1.0, -self.log, dtype="float64", name=f"{layer}_shift")(output)
        return output

    def deviations(self, output: Any, last: keras.layers.Rescaling | None, layer: str) -> Any:
        """Return an output in deviations, from one in the unit.

        Args:
            output: in the unit of the data on which its model was trained.
            last: the layer that has converted it to that unit, which is merged with the one that converts it to these deviations.
            layer: name of the new layer.

        Raises:
            UserError: the target's logarithm is learnt.
        """
        if self.log is not None:
            text = "a model that was trained before predicts in the target's unit, not its logarithm. Leave it out."
            raise UserError(Problem("data.target_transform", text))
        scale, offset = np.ones_like(self.scale), np.zeros_like(self.mean)
        if last is not None:
            scale, offset, output = np.asarray(last.scale), np.asarray(last.offset), last.input
        return _rescaled(output, scale / self.scale, (offset - self.mean) / self.scale, layer)


def in_deviations(model: keras.Model, data: Dataset) -> keras.Model:
    """Return a model over the same weights whose real outputs are in deviations, from one whose outputs are in the unit.

    Args:
        model: trained before, maybe on other data.
        data: whose targets it is to learn.

    Raises:
        UserError: a target's logarithm is learnt.
    """
    return _ending(
        model,
        _units(data),
        lambda unit, output, layer: unit.deviations(output, _rescaling(model, layer), layer),
    )


def _units(data: Dataset) -> dict[str, Unit | None]:
    """Return the unit of each output by name, None of one without."""
    return {name: Unit.of(one) for name, one in data.each().items()}


def _ending(
    model: keras.Model, by_output: Mapping[str, Any], convert: Callable[[Any, Any, str], Any]
) -> keras.Model:
    """Return a model over the same weights with some outputs converted; the model itself if none is.

    Args:
        model: as it is.
        by_output: output (empty: the only one) -> what its conversion needs; None: it stays.
        convert: of that, the output and the name of a new layer.
    """
    if all(needed is None for needed in by_output.values()):
        return model
    outputs = {"": model.outputs[0]} if "" in by_output else model.output
    names = {layer.name for layer in model.layers}

    def new_layer(name: str) -> str:
        layer = f"{UNIT_LAYER}_{name}" if name else UNIT_LAYER
        # A model of a logarithm stays as it is: nothing linear can be merged with its end.
        return f"{layer}_again" if f"{layer}_exponential" in names else layer

    ends = {
        name: output if by_output[name] is None else convert(by_output[name], output, new_layer(name))
        for name, output in outputs.items()
    }
    return functional.ending_in(model, ends.get("", ends))


def in_unit_of_loss(data: Dataset, losses: Mapping[str, tuple[str, str, str]]) -> Dataset:
    """Return the dataset without the scaling of targets that their losses do not read.

    Args:
        data: as loaded.
        losses: output (empty: the only one) -> key, name and declared unit of its loss; ``own``: a relative error, or a likelihood of
            counts, means nothing in deviations from the mean.

    Raises:
        UserError: a target's logarithm is to be learnt, and its loss reads the target.
    """

    def read(record: Mapping[str, Any], key: str, loss: str, unit: str) -> dict[str, Any]:
        unused = "standardize_target" if unit == "own" else "target_factor"
        if "log" in record.get(unused, ()):
            text = f"{key}={loss} reads the target in its own unit, not its logarithm. Leave it out, or take {key}=mse."
            raise UserError(Problem("data.target_transform", text))
        return {k: v for k, v in record.items() if k != unused}

    record = data.preprocessing
    if not data.target.named:
        return replace(data, preprocessing=read(record, *losses[""]))
    of_outputs = {name: read(of, *losses[name]) for name, of in record.get("outputs", {}).items()}
    return replace(data, preprocessing={**record, "outputs": of_outputs})


def multiplied(model: keras.Model, data: Dataset) -> keras.Model:
    """Return a model over the same weights whose output is multiplied by the dataset's `target_factor`, if it has one.

    A loss that reads targets in their unit then begins at their size: an optimizer's steps do not reach 200,000.
    """
    factors = {name: one.preprocessing.get("target_factor") for name, one in data.each().items()}
    return _ending(model, factors, _multiplied)


def _multiplied(factor: Sequence[float], output: Any, layer: str) -> Any:
    scale = np.asarray(factor, "float32")
    return keras.layers.Rescaling(scale, np.zeros_like(scale), dtype="float32", name=layer)(output)


def in_units(model: keras.Model, data: Dataset) -> keras.Model:
    """Return a functional model over the same weights whose real outputs are in the unit of their targets.

    Args:
        model: as trained.
        data: whose targets it learns.
    """
    model = functional.over(model, data.inputs)
    return _ending(
        model,
        _units(data),
        lambda unit, output, layer: unit.own_output(output, _rescaling(model, layer), layer),
    )


def _rescaling(model: keras.Model, name: str) -> keras.layers.Rescaling | None:
    """Return the layer of that name which converts an output's unit, if the output ends in it."""
    by_name = {layer.name: layer for layer in model.layers}
    last = by_name.get(name)
    is_last = isinstance(last, keras.layers.Rescaling) and f"{name}_exponential" not in by_name
    return last if is_last else None


def _rescaled(output: Any, scale: np.ndarray, offset: np.ndarray, layer: str) -> Any:
    """Return an output times a scale, plus an offset, by a layer of that name."""
    if not np.allclose(scale, 1, rtol=1e-12, atol=0) or not np.allclose(offset, 0, rtol=0, atol=1e-12):
        # As arrays: TensorFlow converts plain numbers to float32, whatever the layer's dtype.
        output = keras.layers.Rescaling(scale, offset, dtype="float64", name=layer)(output)
    return output


@keras.saving.register_keras_serializable("trainrun")
class InUnits(keras.metrics.Metric):
    """A metric over standardized targets and predictions that measures in the target's own unit.

    Args:
        metric: the metric inside; its name and dtype are this one's.
        mean, scale: one number for each output; the metric inside gets deviations · scale + mean.
        log: the metric inside gets e to the power of that, minus `log`; None: it gets that itself.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        mean: Sequence[float],
        scale: Sequence[float],
        log: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or metric.name, dtype=dtype or metric.dtype)
        self.metric, self.mean, self.scale, self.log = metric, list(mean), list(scale), log
        keras_metric_private.copy_direction(metric, self)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Convert a batch `[batch, outputs]` and hand it to the metric inside."""
        own = [ops.cast(y, self.dtype) * self.scale + self.mean for y in (y_true, y_pred)]
        own = own if self.log is None else [ops.exp(y) - self.log for y in own]
        self.metric.update_state(*own, sample_weight=sample_weight)

    def result(self) -> Any:
        return self.metric.result()

    def reset_state(self) -> None:
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        inside = keras.saving.serialize_keras_object(self.metric)
        return {
            **super().get_config(),
            "metric": inside,
            "mean": self.mean,
            "scale": self.scale,
            "log": self.log,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InUnits:
        return cls(**{**config, "metric": keras.saving.deserialize_keras_object(config["metric"])})
