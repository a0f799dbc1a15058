"""Further operations for `tf.vectorized_map`: its table of converters, extended while a program is compiled.

For: training steps of many trials as one graph. TensorFlow's own table has no form for stateless random draws (each trial
must keep its own seed, so that it draws the bits of a separate run), and only a loop for convolutions whose filters
differ by trial.
Public API: `tf.vectorized_map` takes no converters; `RegisterPFor` is not exported, and refuses to replace one.
Checked with TensorFlow 2.21.0. Missing: AttributeError or ImportError when a program is compiled; its trials then run one
by one, and a line says why.

Convolutions whose filters differ run side by side, one operation a trial. Single operations for all trials (a grouped
convolution, im2col with a batched product, `tf.image.extract_patches`) were measured on a CPU and were not faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Operations that have no converter, or one that gives all trials the same draw: one operation for each trial, side by side.
SEPARATE = (
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
# Operations whose converter is correct only if the trials share this input, the filters.
FILTERS = {"Conv2D": 1, "Conv2DBackpropInput": 1, "Conv2DBackpropFilter": 0, "Conv3D": 1}
# Operations without a converter whose result depends, element by element, on that element alone.
ELEMENTWISE = ("Bitcast",)


@contextmanager
def more_converters() -> Iterator[None]:
    """Add the operations of this file to the table of `tf.vectorized_map` inside the `with`."""
    from tensorflow.python.ops.parallel_for import pfor

    registry = pfor._pfor_converter_registry
    saved = dict(registry)
    for name in SEPARATE:
        registry[name] = _one_operation_a_trial
    for name, position in FILTERS.items():
        registry[name] = (
            _separate_if_stacked(saved[name], position) if name in saved else _one_operation_a_trial
        )
    for name in ELEMENTWISE:
        registry.setdefault(name, _elementwise)
    try:
        yield
    finally:
        registry.clear()
        registry.update(saved)


def _one_operation_a_trial(call: Any) -> list[Any]:
    """Convert an operation (pfor's `_PforInput`) into one for each trial, their results stacked."""
    import tensorflow as tf
    from tensorflow.python.framework import tensor_util
    from tensorflow.python.ops.parallel_for import pfor

    n = tensor_util.constant_value(call.pfor.loop_len_vector)
    if n is None:
        raise ValueError(f"{call.op_type}: the number of trials must be known")
    inputs = [call.input(i) for i in range(call.num_inputs)]
    outputs = [
        pfor._create_op(
            call.op_type,
            [tensor[k] if stacked else tensor for tensor, stacked, _ in inputs],
            [o.dtype for o in call.outputs],
            attrs=call.op.node_def.attr,
        ).outputs
        for k in range(int(n[0]))
    ]
    stacked = [tf.stack(results) for results in zip(*outputs, strict=True)]
    for tensor, one in zip(stacked, call.outputs, strict=True):
        tensor.set_shape([int(n[0]), *one.shape] if one.shape.rank is not None else None)
    return [pfor.wrap(tensor, True) for tensor in stacked]


def _separate_if_stacked(otherwise: Callable[[Any], Any], position: int) -> Callable[[Any], Any]:
    """Return a converter: one operation a trial if the input at a position differs by trial, else TensorFlow's own."""

    def convert(call: Any) -> Any:
        return _one_operation_a_trial(call) if call.input(position)[1] else otherwise(call)

    return convert


def _elementwise(call: Any) -> list[Any]:
    """Convert an operation into itself, on the stacked input."""
    from tensorflow.python.ops.parallel_for import pfor

    created = pfor._create_op(
        call.op_type,
        [call.stacked_input(0)],
        [o.dtype for o in call.outputs],
        attrs=call.op.node_def.attr,
    )
    return [pfor.wrap(created.outputs[0], True)]
