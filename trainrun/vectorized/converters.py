"""How operations become one for many trials, where TensorFlow's own `vectorized_map` knows only a loop, or nothing.

Random draws keep each trial's own seed: the bits are those that it draws alone. Convolutions whose filters differ are put
side by side, one operation a trial. One operation for all was no faster on a CPU. 16 trials, batches of 32 images of 8x8, filters
of 3x3, float32, milliseconds forward and backward (the shortest of 12 times; 2 cores, TensorFlow 2.21):

| | 1 to 8 channels | 8 to 16 |
|---|---|---|
| one operation a trial | 2.9 | 8.8 |
| a grouped convolution, its gradient (TensorFlow has none on a CPU) by a formula | 3.4 | 11.2 |
| shifted images and one batched product (im2col) | 2.7 | 17.9 |
| the same by `tf.image.extract_patches` | 4.2 | 21.9 |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import tensor_util
from tensorflow.python.ops.parallel_for import pfor

# One operation for each trial, side by side.
APART = (
    "StatelessRandomUniformV2",
    "StatelessRandomNormalV2",
    "StatelessTruncatedNormalV2",
    "StatelessRandomUniformIntV2",
    "StatelessRandomUniformFullIntV2",
    "StatelessRandomGammaV3",
    "StatelessRandomGetKeyCounter",
    "StatelessRandomUniform",
    "StatelessRandomNormal",
    "StatelessTruncatedNormal",
    "StatelessRandomUniformInt",
    "StatelessRandomUniformFullInt",
)
# The same, where what they do by default does not fit: several trials' filters.
FILTERS = {"Conv2D": 1, "Conv2DBackpropInput": 1, "Conv2DBackpropFilter": 0, "Conv3D": 1}
# The value of each element depends on that element alone.
ELEMENTWISE = ("Bitcast",)


@contextmanager
def known() -> Iterator[None]:
    """Have `tf.vectorized_map` know our forms; outside it is as it was."""
    registry = pfor._pfor_converter_registry
    saved = dict(registry)
    for name in APART:
        registry[name] = _apart
    for name, at in FILTERS.items():
        if name in saved:
            registry[name] = _apart_if_stacked(saved[name], at)
        else:
            registry[name] = _apart
    for name in ELEMENTWISE:
        registry.setdefault(name, _elementwise)
    try:
        yield
    finally:
        registry.clear()
        registry.update(saved)


def _apart(given: Any) -> list[Any]:
    n = tensor_util.constant_value(given.pfor.loop_len_vector)
    if n is None:
        raise ValueError(f"{given.op_type}: the number of trials must be known")
    inputs = [given.input(i) for i in range(given.num_inputs)]
    made = [
        pfor._create_op(
            given.op_type,
            [tensor[k] if stacked else tensor for tensor, stacked, _ in inputs],
            [o.dtype for o in given.outputs],
            attrs=given.op.node_def.attr,
        ).outputs
        for k in range(int(n[0]))
    ]
    stacked = [tf.stack(each) for each in zip(*made, strict=True)]
    for tensor, one in zip(stacked, given.outputs, strict=True):
        tensor.set_shape([int(n[0]), *one.shape] if one.shape.rank is not None else None)
    return [pfor.wrap(tensor, True) for tensor in stacked]


def _apart_if_stacked(otherwise: Any, at: int) -> Any:
    def convert(given: Any) -> Any:
        return _apart(given) if given.input(at)[1] else otherwise(given)

    return convert


def _elementwise(given: Any) -> Any:
    made = pfor._create_op(
        given.op_type,
        [given.stacked_input(0)],
        [o.dtype for o in given.outputs],
        attrs=given.op.node_def.attr,
    )
    return [pfor.wrap(made.outputs[0], True)]
