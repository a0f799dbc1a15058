"""What a model costs before it has run: parameters, floating-point operations, bytes.

Counted from the layers' shapes, in about 10 ms. TensorFlow's own profiler counts a traced graph, which
takes from 0.05 s for a small MLP to 2 s for MobileNetV2, and leaves out what stands in loops, as in an LSTM; the
tests hold the two against each other where both know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from trainrun.compat import keras_model_private

# Layers that give a tensor another shape and compute nothing.
VIEWS = ("InputLayer", "Reshape", "Flatten", "Permute", "ExpandDims")
# A gradient by weights and one by inputs for each product of the forward pass: a step is three forward passes.
STEP = 3
_slots: dict[tuple[type, str], float] = {}


@dataclass(frozen=True)
class Cost:
    """The cost of a model.

    Args:
        parameters: weights, trainable or not.
        flops: of the forward pass for one example; a product and a sum are two.
        weights, gradients, optimizer: bytes.
        activations: bytes of what a step keeps for the gradient, over its whole batch.
        batch_size: of that step.
    """

    parameters: int
    flops: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    batch_size: int

    @classmethod
    def of(cls, model: keras.Model, batch_size: int) -> Cost:
        """Return the cost of a compiled model at a batch size.

        A dimension that the model leaves open counts as 1. Of memory, it is an estimate: what TensorFlow needs
        for itself, for the data and for the inner workings of a kernel comes on top.
        """
        calls = list(_calls(model))
        trainable = sum(_bytes(v) for v in model.trainable_variables)
        flops = sum(_flops(*call) for call in calls) if calls else 2 * model.count_params()
        return cls(
            parameters=model.count_params(),
            flops=flops,
            weights=sum(_bytes(v) for v in model.variables),
            gradients=trainable,
            optimizer=round(trainable * slots(model.optimizer)) if model.optimizer is not None else 0,
            activations=batch_size * sum(_kept(*call) for call in calls),
            batch_size=batch_size,
        )

    @property
    def memory(self) -> int:
        """Bytes in all."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def line(self) -> str:
        """Return the cost in one line."""
        state = self.gradients + self.optimizer
        return (
            f"{self.parameters:,} parameters; {scaled(self.flops)}FLOPs an example forward, about "
            f"{scaled(self.flops * STEP * self.batch_size)}FLOPs a step of {self.batch_size:,} with gradients; "
            f"about {scaled(self.memory)}B of memory: weights {scaled(self.weights)}B, gradients and optimizer "
            f"{scaled(state)}B, activations {scaled(self.activations)}B"
        )


def scaled(number: float) -> str:
    """Write a number with a unit's prefix: 950, 12.3 k, 1.2 M; a unit follows at once."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return (
                f"{number / size:.3g} {prefix}" if number < 999.5 * size else f"{number / size:,.0f} {prefix}"
            )
    return f"{number:.0f} "


def slots(optimizer: keras.optimizers.Optimizer) -> float:
    """Return how many numbers an optimizer keeps for each trainable weight: 0 for SGD, 2 for Adam.

    Counted on a copy that is built for one small variable, because building the optimizer itself is the
    trainer's affair. 2, as many as Adam's, where an optimizer cannot be copied.
    """
    try:
        config = optimizer.get_config()
        key = type(optimizer), repr(_kind(config))  # a sweep asks for each trial
        if key in _slots:
            return _slots[key]
        copy = type(optimizer).from_config(config)
        probe = keras.Variable([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], name="probe")
        copy.build([probe])
    except Exception:  # a plug-in's optimizer may do as it likes; this is an estimate
        return 2.0
    found = _slots[key] = sum(math.prod(v.shape) for v in copy.variables if len(v.shape)) / 6
    return found


def _kind(config: Any) -> Any:
    """Return an optimizer's config without what makes no slot: of numbers it matters at most whether they are 0."""
    if isinstance(config, Mapping):
        return {k: _kind(v) for k, v in config.items() if k not in ("learning_rate", "name")}
    if isinstance(config, list | tuple):
        return [_kind(v) for v in config]
    return bool(config) if isinstance(config, float) else config


def _calls(model: Any) -> Iterator[tuple[Any, list, list]]:
    """Yield (layer, input shapes, output shapes) of each call of a layer in a functional model, batch left out."""
    for node in keras_model_private.graph_nodes(model):
        if isinstance(node.operation, keras.Model):
            yield from _calls(node.operation)
        else:
            yield (
                node.operation,
                [_shape(t) for t in node.input_tensors],
                [_shape(t) for t in node.outputs],
            )


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(d or 1 for d in tensor.shape[1:])


def _flops(layer: Any, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]) -> int:
    """Return the operations of one example: each kernel at each position, each vector of weights likewise."""
    kind = type(layer).__name__
    weights = [v for v in getattr(layer, "weights", ()) if v.name != "embeddings" and "seed" not in v.name]
    if not weights or not outputs:
        return 0
    positions = math.prod(outputs[0][:-1])
    if inputs and isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
        positions = inputs[0][0]
    kernel_positions = positions
    if inputs and kind.endswith("Transpose"):
        # It is stepped over the input, and adds its bias to the output.
        kernel_positions = math.prod(inputs[0][:-1])
    found = sum(2 * math.prod(v.shape) * kernel_positions for v in weights if len(v.shape) > 1)
    found += sum(math.prod(v.shape) * positions for v in weights if len(v.shape) == 1)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        queries, keys = inputs[0][0], inputs[min(1, len(inputs) - 1)][0]
        found += 2 * queries * keys * layer.num_heads * (layer.key_dim + layer.value_dim)
    return found


def _kept(layer: Any, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]) -> int:
    """Return the bytes of one example that a layer keeps for the gradient."""
    if type(layer).__name__ in VIEWS:
        return 0
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    tensors = 1 if activation == "linear" else 2  # before and after the activation
    numbers = tensors * sum(math.prod(shape) for shape in outputs)
    if inputs and isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
        # The gates and the state of every time step.
        recurrent = [v.shape for v in layer.weights if v.name == "recurrent_kernel"]
        numbers += inputs[0][0] * sum(sum(shape) for shape in recurrent)
    if inputs and isinstance(layer, keras.layers.MultiHeadAttention):
        queries, keys = inputs[0][0], inputs[min(1, len(inputs) - 1)][0]
        # Scores before and after the softmax; queries, keys and values.
        numbers += layer.num_heads * (
            2 * queries * keys + (queries + keys) * layer.key_dim + keys * layer.value_dim
        )
    return numbers * _width(getattr(layer, "compute_dtype", None) or keras.config.floatx())


def _bytes(variable: Any) -> int:
    return math.prod(variable.shape) * _width(str(variable.dtype))


def _width(dtype: str) -> int:
    widths: Mapping[str, int] = {
        "float64": 8,
        "int64": 8,
        "uint64": 8,
        "float16": 2,
        "bfloat16": 2,
        "int8": 1,
        "uint8": 1,
        "bool": 1,
    }
    return widths.get(dtype, 4)
