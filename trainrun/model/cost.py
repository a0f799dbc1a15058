"""Estimated cost of a model before training: parameters, floating-point operations, bytes.

Computed from the shapes of the layers in about 10 ms. TensorFlow's profiler counts the operations of a traced graph, which
takes from 0.05 s for a small MLP to 2 s for MobileNetV2, and omits the operations in loops, such as an LSTM's. The tests
compare both where both have a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from trainrun.compat import keras_model_private

# Layers that change a tensor's shape without computing anything.
VIEWS = ("InputLayer", "Reshape", "Flatten", "Permute", "ExpandDims")
# The backward pass computes a gradient with respect to weights and one with respect to inputs for each product.
FORWARD_PASSES_PER_STEP = 3
_slots: dict[tuple[type, str], float] = {}  # result of `slots` by class and config


@dataclass(frozen=True)
class Cost:
    """The cost of a model.

    Args:
        parameters: number of weights, trainable or not.
        flops: floating-point operations of the forward pass for one example; a multiplication and an addition are two.
        weights, gradients, optimizer: memory in bytes.
        activations: memory in bytes of the tensors that a step stores for the backward pass, for the whole batch.
        batch_size: examples per step.
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

        An unknown dimension counts as 1. The memory is a lower estimate, without TensorFlow's own memory, the data and the
        workspace of kernels.
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
            activations=batch_size * sum(_activation_bytes(*call) for call in calls),
            batch_size=batch_size,
        )

    @property
    def memory(self) -> int:
        """Memory in bytes, in total."""
        return self.weights + self.gradients + self.optimizer + self.activations

    @property
    def step_flops(self) -> int:
        """Floating-point operations of a step with gradients."""
        return self.flops * FORWARD_PASSES_PER_STEP * self.batch_size

    def line(self) -> str:
        """Return the cost in one line."""
        state = self.gradients + self.optimizer
        return (
            f"{self.parameters:,} parameters; {scaled(self.flops)}FLOPs an example forward, about "
            f"{scaled(self.step_flops)}FLOPs a step of {self.batch_size:,} with gradients; "
            f"about {scaled(self.memory)}B of memory: weights {scaled(self.weights)}B, gradients and optimizer "
            f"{scaled(state)}B, activations {scaled(self.activations)}B"
        )


def scaled(number: float) -> str:
    """Format a number with an SI prefix, ready for a unit: ``950 ``, ``12.3 k``, ``1.2 M``."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return (
                f"{number / size:.3g} {prefix}" if number < 999.5 * size else f"{number / size:,.0f} {prefix}"
            )
    return f"{number:.0f} "


def slots(optimizer: keras.optimizers.Optimizer) -> float:
    """Return the number of optimizer variables per trainable weight: 0 for SGD, 2 for Adam.

    Measured on a copy that is built for one small variable, because the trainer must build the optimizer itself. An
    optimizer that cannot be copied counts as 2.
    """
    try:
        config = optimizer.get_config()
        key = type(optimizer), repr(_structure(config))  # cached: a sweep calls this for each trial
        if key in _slots:
            return _slots[key]
        copy = type(optimizer).from_config(config)
        probe = keras.Variable([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], name="probe")
        copy.build([probe])
    except Exception:  # a plug-in's optimizer may raise anything; this is an estimate
        return 2.0
    count = _slots[key] = sum(math.prod(v.shape) for v in copy.variables if len(v.shape)) / 6
    return count


def _structure(config: Any) -> Any:
    """Return the part of an optimizer's config that determines its variables; of a number, whether it is 0."""
    if isinstance(config, Mapping):
        return {k: _structure(v) for k, v in config.items() if k not in ("learning_rate", "name")}
    if isinstance(config, list | tuple):
        return [_structure(v) for v in config]
    return bool(config) if isinstance(config, float) else config


def _calls(model: Any) -> Iterator[tuple[Any, list, list]]:
    """Yield (layer, input shapes, output shapes) for each call of a layer in a functional model; shapes without batch."""
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
    """Return a layer's operations for one example: each kernel and each bias is applied at each position."""
    kind = type(layer).__name__
    weights = [v for v in getattr(layer, "weights", ()) if v.name != "embeddings" and "seed" not in v.name]
    if not weights or not outputs:
        return 0
    positions = math.prod(outputs[0][:-1])
    if inputs and isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
        positions = inputs[0][0]
    kernel_positions = positions
    if inputs and kind.endswith("Transpose"):
        # A transposed convolution applies its kernel at each position of the input, its bias at each of the output.
        kernel_positions = math.prod(inputs[0][:-1])
    flops = sum(2 * math.prod(v.shape) * kernel_positions for v in weights if len(v.shape) > 1)
    flops += sum(math.prod(v.shape) * positions for v in weights if len(v.shape) == 1)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        queries, keys = inputs[0][0], inputs[min(1, len(inputs) - 1)][0]
        flops += 2 * queries * keys * layer.num_heads * (layer.key_dim + layer.value_dim)
    return flops


def _activation_bytes(layer: Any, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]) -> int:
    """Return the bytes that a layer stores for the backward pass of one example."""
    if type(layer).__name__ in VIEWS:
        return 0
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    tensors = 1 if activation == "linear" else 2  # before and after the activation
    numbers = tensors * sum(math.prod(shape) for shape in outputs)
    if inputs and isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
        # Gates and state of each time step.
        recurrent = [v.shape for v in layer.weights if v.name == "recurrent_kernel"]
        numbers += inputs[0][0] * sum(sum(shape) for shape in recurrent)
    if inputs and isinstance(layer, keras.layers.MultiHeadAttention):
        queries, keys = inputs[0][0], inputs[min(1, len(inputs) - 1)][0]
        # Attention scores before and after the softmax; queries, keys and values.
        numbers += layer.num_heads * (
            2 * queries * keys + (queries + keys) * layer.key_dim + keys * layer.value_dim
        )
    return numbers * _bytes_per_number(getattr(layer, "compute_dtype", None) or keras.config.floatx())


def _bytes(variable: Any) -> int:
    return math.prod(variable.shape) * _bytes_per_number(str(variable.dtype))


def _bytes_per_number(dtype: str) -> int:
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
