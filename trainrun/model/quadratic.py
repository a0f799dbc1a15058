"""f(x) = a x² + b x + c with x as the only weight: shows how an optimizer minimizes a function."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._inputs import input_tensors
from trainrun.util.declarations import declare


@keras.saving.register_keras_serializable("trainrun")
class Parabola(keras.layers.Layer):
    """Compute `a x² + b x + c` of the layer's only weight x, for each example; the values of the input are not used.

    Args:
        a, b, c: the coefficients; defaults 1, -2, 1.
        start: initial value of x; default 0.

    Call:
        The input has the shape `[batch, ...]`, the output `[batch, 1]`.

    Example:
        >>> float(Parabola(1.0, -2.0, 1.0, start=3.0)([[0.0]])[0, 0])
        4.0
    """

    def __init__(self, a: float = 1.0, b: float = -2.0, c: float = 1.0, start: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.a, self.b, self.c, self.start = a, b, c, start

    def build(self, input_shape: Any) -> None:
        self.x = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.start), name="x")

    def call(self, inputs: Any) -> Any:
        x = ops.convert_to_tensor(self.x)
        return ops.zeros((ops.shape(inputs)[0], 1), dtype=x.dtype) + (self.a * x * x + self.b * x + self.c)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "a": self.a, "b": self.b, "c": self.c, "start": self.start}


@declare(targets="none", inputs=("numeric", "categorical", "image", "tokens"), quantizes=False)
def quadratic(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    a: float = 1.0,
    b: float = -2.0,
    c: float = 1.0,
    start: float = 0.0,
) -> keras.Model:
    """Build a model whose output is f(x), `[batch, 1]`; its minimum is at x = -b / 2a.

    Args:
        inputs: specs of the data; `data=none` has a placeholder.
        target: not used.
        head: not used; the output is f(x) itself.
        a, b, c: the coefficients, with a > 0 for a minimum; defaults 1, -2, 1.
        start: initial value of x; default 0.
    """
    tensors, pairs = input_tensors(inputs)
    return keras.Model(
        tensors, Parabola(a, b, c, start, dtype="float32", name="parabola")(pairs[0][1]), name="quadratic"
    )
