"""f(x) = a x² + b x + c with x as the only weight: minimisation as training, for a look at what an optimizer does."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.model._inputs import open_inputs
from trainrun.util.declarations import declare


@keras.saving.register_keras_serializable("trainrun")
class Parabola(keras.layers.Layer):
    """Gives `a x² + b x + c` for its one weight x, once for each example; the input's values do not matter.

    Args:
        a, b, c: the coefficients.
        start: x at the beginning.

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


@declare(targets="none", inputs=("numeric", "categorical", "image", "tokens"))
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
    """Return a model whose output is f(x), `[batch, 1]`; its minimum is at x = -b / 2a.

    Args:
        inputs: of the data; `data=none` gives a placeholder.
        target: not read.
        head: not read; the output is f(x) itself.
        a, b, c: the coefficients; a above 0, or there is no minimum.
        start: x at the beginning.
    """
    opened, pairs = open_inputs(inputs)
    return keras.Model(
        opened, Parabola(a, b, c, start, dtype="float32", name="parabola")(pairs[0][1]), name="quadratic"
    )
