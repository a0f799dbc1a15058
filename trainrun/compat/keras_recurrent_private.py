"""LSTM, GRU and SimpleRNN of Keras with fewer products in their loop over time: for XLA on a CPU.

Checked with Keras 3.15.1. Without one of these names `keras_xla_private.for_xla` raises AttributeError when a program is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

States = list["tf.Tensor"]


class _Cell(NamedTuple):
    """One time step of a layer without its products with the kernels.

    Attributes:
        forward: from the products of the input and of the last output, biases added, and the last states to the new states and to
            tensors that `backward` needs.
        backward: from these, the last states and the gradients of the new ones to the gradients of the product of the output and, if
            it has another one, of the product of the input; and to those of the last states, without what passes the product.
        saved, gradients: numbers of these tensors and gradients.
    """

    forward: Callable[[tf.Tensor, tf.Tensor, States], tuple[States, States]]
    backward: Callable[[States, States, States], tuple[States, list[tf.Tensor | None]]]
    saved: int
    gradients: int


def inner_loop(
    layer: keras.layers.RNN, sequences: tf.Tensor, initial_state: Any, mask: Any, training: bool = False
) -> tuple[tf.Tensor, tf.Tensor, States] | None:
    """Return what the method of an LSTM, a GRU or a SimpleRNN returns, or None where it is to do it.

    For: `trainer.jit_compile` on a CPU. One product makes the inputs of all time steps, and one after the loop makes the gradient of
    each kernel; in the gradient of Keras' own loop XLA stacks the kernels once a time step, and multiplies at each. Values and
    gradients are the same up to rounding.
    Public API: Keras has no other form of these layers on TensorFlow without a GPU.
    Activations but tanh and sigmoid, masks, recurrent dropout, `reset_after=False`, `implementation=1`, `unroll` and an unknown number of
    steps stay as they are.
    Checked: Keras 3.15.1. Missing: AttributeError.
    """
    import tensorflow as tf

    form, cell = _form(layer.cell), layer.cell
    if form is None or mask is not None or layer.unroll or sequences.shape[1] is None:
        return None
    if training and cell.dropout:
        sequences = sequences * cell.get_dropout_mask(sequences[:, 0, :])[:, None]
    kernel, recurrent = tf.convert_to_tensor(cell.kernel), tf.convert_to_tensor(cell.recurrent_kernel)
    bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else tf.zeros([kernel.shape[1]], kernel.dtype)
    x = tf.transpose(sequences, [1, 0, 2])
    if layer.go_backwards:
        x = tf.reverse(x, [0])
    product = tf.matmul(tf.reshape(x, [-1, x.shape[2]]), kernel)
    if len(bias.shape) > 1:  # of a GRU: one for each of the two products
        product, bias = product + bias[0], bias[1]
    product = tf.reshape(product, [x.shape[0], -1, kernel.shape[1]])
    states = [tf.convert_to_tensor(s) for s in tf.nest.flatten(initial_state)]
    outputs, states = _recurrence(form, product, recurrent, bias, states, layer.return_sequences)
    return states[0], tf.transpose(outputs, [1, 0, 2]), states


def _recurrence(
    cell: _Cell, inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, states: States, all_outputs: bool
) -> tuple[tf.Tensor, States]:
    """Repeat a cell over the products of all inputs.

    Args:
        cell: the cell.
        inputs: `[steps, batch, width]`.
        kernel, bias: of the product of the last output, `[units, width]` and `[width]`.
        states: the first ones, `[batch, units]` each; the first of them is the output.
        all_outputs: of each step; else of the last one.

    Returns:
        Outputs `[steps, batch, units]`, or `[1, batch, units]`; and the last states.
    """
    import tensorflow as tf

    steps, batch, width = inputs.shape
    units, dtype = kernel.shape[0], inputs.dtype

    def arrays(count: int, length: int, size: int = units) -> list[tf.TensorArray]:
        return [tf.TensorArray(dtype, length, element_shape=[batch, size]) for _ in range(count)]

    def written(to: list[tf.TensorArray], at: Any, values: States) -> list[tf.TensorArray]:
        return [array.write(at, value) for array, value in zip(to, values, strict=True)]

    def read(of: list[tf.TensorArray], at: Any) -> States:
        return [array.read(at) for array in of]

    def repeated(body: Callable, *first: Any) -> list[Any]:
        return tf.while_loop(lambda at, *_: at < steps, body, [0, *first], maximum_iterations=steps)[1:]

    @tf.custom_gradient
    def run(
        inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, *states: tf.Tensor
    ) -> tuple[Any, Callable]:
        parts = tf.TensorArray(dtype, steps).unstack(inputs)

        def forward(at: tf.Tensor, last: States, kept: list, saved: list) -> tuple:
            new, needed = cell.forward(parts.read(at), tf.matmul(last[0], kernel) + bias, last)
            return at + 1, new, written(kept, at + 1, new), written(saved, at, needed)

        kept = written(arrays(len(states), steps + 1), 0, list(states))
        last, kept, saved = repeated(forward, list(states), kept, arrays(cell.saved, steps))
        outputs = kept[0].stack()

        def gradient(*of_states: tf.Tensor) -> tuple:
            if all_outputs:
                each, *of_states = of_states
                of_outputs = tf.TensorArray(dtype, steps).unstack(each)

            def backward(at: tf.Tensor, of_last: States, gathered: list) -> tuple:
                place = steps - 1 - at
                if all_outputs:
                    of_last = [of_last[0] + of_outputs.read(place), *of_last[1:]]
                new, (direct, *others) = cell.backward(read(saved, place), read(kept, place), of_last)
                of_output = tf.matmul(new[0], kernel, transpose_b=True)
                of_output = of_output if direct is None else of_output + direct
                return at + 1, [of_output, *others], written(gathered, place, new)

            of_states, gathered = repeated(backward, list(of_states), arrays(cell.gradients, steps, width))
            of_products = [array.stack() for array in gathered]
            flat = tf.reshape(of_products[0], [-1, width])
            before = tf.reshape(outputs[:-1], [-1, units])
            of_kernel = tf.matmul(before, flat, transpose_a=True)
            return of_products[-1], of_kernel, tf.reduce_sum(flat, 0), *of_states

        return ([outputs[1:], *last] if all_outputs else last), gradient

    results = run(inputs, kernel, bias, *states)
    return (results[0], results[1:]) if all_outputs else (results[0][None], results)


def _form(cell: keras.Layer) -> _Cell | None:
    """Return the form of Keras' cell with the activations that cuDNN has, or None for another one."""
    from keras import activations, layers

    form = {layers.LSTMCell: _LSTM, layers.GRUCell: _GRU, layers.SimpleRNNCell: _SIMPLE}.get(type(cell))
    if form is None or cell.activation is not activations.tanh or cell.recurrent_dropout:
        return None
    if form is _SIMPLE:
        return form
    gates = cell.recurrent_activation is activations.sigmoid and cell.implementation == 2
    return form if gates and (form is _LSTM or cell.reset_after) else None


def _lstm_forward(x: tf.Tensor, inner: tf.Tensor, states: States) -> tuple[States, States]:
    import tensorflow as tf

    i, f, g, o = tf.split(x + inner, 4, -1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    carry = f * states[1] + i * g
    shown = tf.tanh(carry)
    return [o * shown, carry], [i, f, g, o, shown]


def _lstm_backward(saved: States, states: States, of_new: States) -> tuple[States, list[tf.Tensor | None]]:
    import tensorflow as tf

    i, f, g, o, shown = saved
    of_output, of_carry = of_new
    of_carry = of_carry + of_output * o * (1 - shown * shown)
    of_gates = (
        of_carry * g * i * (1 - i),
        of_carry * states[1] * f * (1 - f),
        of_carry * i * (1 - g * g),
        of_output * shown * o * (1 - o),
    )
    return [tf.concat(of_gates, -1)], [None, of_carry * f]


def _gru_forward(x: tf.Tensor, inner: tf.Tensor, states: States) -> tuple[States, States]:
    import tensorflow as tf

    (x_update, x_reset, x_new), (update, reset, new) = tf.split(x, 3, -1), tf.split(inner, 3, -1)
    z, r = tf.sigmoid(x_update + update), tf.sigmoid(x_reset + reset)
    candidate = tf.tanh(x_new + r * new)
    return [z * states[0] + (1 - z) * candidate], [z, r, candidate, new]


def _gru_backward(saved: States, states: States, of_new: States) -> tuple[States, list[tf.Tensor | None]]:
    import tensorflow as tf

    (z, r, candidate, new), (of_output,) = saved, of_new
    of_candidate = of_output * (1 - z) * (1 - candidate * candidate)
    of_update = of_output * (states[0] - candidate) * z * (1 - z)
    of_reset = of_candidate * new * r * (1 - r)
    of_inner = tf.concat([of_update, of_reset, of_candidate * r], -1)
    return [of_inner, tf.concat([of_update, of_reset, of_candidate], -1)], [of_output * z]


def _simple_forward(x: tf.Tensor, inner: tf.Tensor, states: States) -> tuple[States, States]:
    import tensorflow as tf

    output = tf.tanh(x + inner)
    return [output], [output]


def _simple_backward(saved: States, states: States, of_new: States) -> tuple[States, list[tf.Tensor | None]]:
    return [of_new[0] * (1 - saved[0] * saved[0])], [None]


_LSTM = _Cell(_lstm_forward, _lstm_backward, 5, 1)
_GRU = _Cell(_gru_forward, _gru_backward, 4, 2)
_SIMPLE = _Cell(_simple_forward, _simple_backward, 1, 1)
