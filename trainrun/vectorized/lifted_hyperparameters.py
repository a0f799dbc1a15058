"""The numbers in which trials differ: attributes of layers, losses and optimizers become tensors with one value per trial.

A learning rate is a variable already. Others, such as `beta_1`, a dropout rate or the strength of a penalty, are attributes that
the code reads as Python numbers during tracing. They are replaced by a `Lifted`: arithmetic uses the tensor, comparisons
(``rate > 0``) use the value of one of the trials.
"""

from __future__ import annotations

import math
import numbers
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private

# Attributes that do not affect the computation.
IGNORED = ("seed", "_initial_seed", "name", "_name", "_path", "path", "_unique_id", "_id")
Path = tuple[Any, ...]


class Lifted(float):
    """A number that differs between trials: arithmetic gives tensors, comparisons use the value of one trial.

    Attributes:
        tensor: the value for the traced trial.
        read: whether the tensor was used.
    """

    tensor: tf.Tensor
    read: bool
    dtype = float  # for Keras: that of a Python number, which a tensor's dtype overrides

    def of(self, tensor: tf.Tensor) -> Lifted:
        """Set the tensor, a float64 scalar; return the number itself."""
        self.tensor, self.read = tensor, False
        return self

    def value(self, dtype: Any) -> tf.Tensor:
        """Return the tensor in the dtype of the other operand."""
        self.read = True
        return tf.cast(self.tensor, dtype)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        return self.value(dtype or keras.config.floatx())

    def __neg__(self) -> Lifted:
        return -1.0 * self


def _binary(do: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Lifted, Any], Any]:
    def operation(self: Lifted, other: Any) -> Any:
        self.read = True
        if isinstance(other, Lifted):
            other.read = True
        if isinstance(other, numbers.Number):
            # In double precision, as in Python; the result is a lifted number again.
            tensor = other.tensor if isinstance(other, Lifted) else tf.constant(other, "float64")
            pair, plain = (self.tensor, tensor), (float(self), float(other))
            if reflected:
                pair, plain = pair[::-1], plain[::-1]
            return Lifted(do(*plain)).of(do(*pair))
        if isinstance(other, keras.Variable):
            other = other.value
        if not isinstance(other, tf.Tensor | tf.Variable | np.ndarray):
            return NotImplemented
        number = self.value(other.dtype if tf.as_dtype(other.dtype).is_floating else keras.config.floatx())
        other = tf.cast(other, number.dtype)
        return do(other, number) if reflected else do(number, other)

    return operation


for _name, _do in {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": operator.pow,
    "mod": operator.mod,
    "floordiv": operator.floordiv,
}.items():
    setattr(Lifted, f"__{_name}__", _binary(_do, False))
    setattr(Lifted, f"__r{_name}__", _binary(_do, True))


def differing(models: Sequence[keras.Model]) -> dict[Path, np.ndarray]:
    """Return the numbers in which models differ: path -> values `[models]` float64.

    Raises:
        ValueError: the models differ in something other than numbers.
    """
    numbers = [dict(_numbers(m)) for m in models]
    first = numbers[0]
    differ: dict[Path, np.ndarray] = {}
    for other in numbers[1:]:
        if other.keys() != first.keys():
            odd = sorted(map(str, other.keys() ^ first.keys()))
            raise ValueError(f"they are built differently: {odd[0]}")
    for path, value in first.items():
        values = [f[path] for f in numbers]
        if all(e == value or (_nan(e) and _nan(value)) for e in values):
            continue
        if not all(isinstance(e, int | float) and not isinstance(e, bool) for e in values):
            raise ValueError(f"{described(path)} is {values[0]!r} in one trial and different in another")
        if len({math.copysign(1.0, e) * (e != 0) for e in values}) > 1:
            # Code branches on whether such a number is 0.
            raise ValueError(f"{described(path)} is 0 in some trials only")
        differ[path] = np.array(values, "float64")
    return differ


@contextmanager
def inside(
    model: keras.Model, values: Mapping[Path, tf.Tensor], examples: Mapping[Path, float]
) -> Iterator[list]:
    """Make a model compute with these values during tracing; yield the lifted numbers with their paths.

    Args:
        model: one of the compared models.
        values: path -> scalar of the traced trial.
        examples: path -> number for comparisons.
    """
    held, put = [], []
    try:
        for path, tensor in values.items():
            lifted = Lifted(examples[path]).of(tensor)
            owner, at = owner_of(model, path)
            held.append((owner, at, value_at(owner, at)))
            _set(owner, at, lifted)
            put.append((path, lifted))
        yield put
    finally:
        for owner, at, value in reversed(held):
            _set(owner, at, value)


def _roots(model: keras.Model) -> Iterator[tuple[Path, Any]]:
    yield ("optimizer",), model.optimizer
    yield ("loss",), model.loss
    for i, layer in enumerate(keras_model_private.all_layers(model)):
        yield ("layer", i), layer
    for i, metric in enumerate(model.metrics):
        yield ("metric", i), metric


def _numbers(model: keras.Model) -> Iterator[tuple[Path, Any]]:
    seen: set[int] = {id(model)}
    layers = {id(layer) for layer in keras_model_private.all_layers(model)}
    for path, root in _roots(model):
        if id(root) not in seen:
            seen.add(id(root))
            yield from _inside(root, path, seen, layers)


def _inside(value: Any, path: Path, seen: set[int], layers: set[int]) -> Iterator[tuple[Path, Any]]:
    for at, part in _parts(value):
        here = (*path, at)
        if _is_private(at[1]) and not (isinstance(part, float) or hasattr(part, "get_config")):
            continue  # internal state of Keras: tables of variables, counters
        if isinstance(part, bool | int | float | str | type(None)):
            yield here, part
        elif isinstance(part, np.generic):
            yield here, part.item()
        elif isinstance(part, types.FunctionType):
            yield here, part.__qualname__
        elif id(part) not in seen and id(part) not in layers and _is_searched(part):
            seen.add(id(part))
            yield from _inside(part, here, seen, layers)


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from ((("key", k), v) for k, v in value.items() if isinstance(k, str))
    elif isinstance(value, list | tuple):
        yield from ((("at", i), v) for i, v in enumerate(value))
    else:
        kept = getattr(value, "__dict__", {})
        yield from ((("attribute", k), v) for k, v in kept.items() if _counts(k))


def _counts(name: str) -> bool:
    return name not in IGNORED and not name.startswith(
        ("_tracker", "_obj_", "_self_", "_auto", "_lock", "_keras_api")
    )


def _is_private(name: Any) -> bool:
    return str(name).startswith("_") and name != "_fn_kwargs"


def _is_searched(part: Any) -> bool:
    """Return whether an object may contain hyperparameters: objects with `get_config`, and plain containers."""
    if isinstance(part, Mapping | list | tuple):
        return len(part) < 100
    if isinstance(part, keras.Variable | tf.Variable | tf.Tensor | keras.KerasTensor | np.ndarray | type):
        return False
    return hasattr(part, "get_config") and not isinstance(
        part, keras.initializers.Initializer | keras.DTypePolicy
    )


def owner_of(model: keras.Model, path: Path) -> tuple[Any, Any]:
    roots = dict(_roots(model))
    length = next(n for n in (1, 2) if path[:n] in roots)
    owner = roots[path[:length]]
    for at in path[length:-1]:
        owner = value_at(owner, at)
    return owner, path[-1]


def value_at(owner: Any, at: tuple[str, Any]) -> Any:
    return getattr(owner, at[1]) if at[0] == "attribute" else owner[at[1]]


def _set(owner: Any, at: tuple[str, Any], value: Any) -> None:
    if at[0] == "attribute":
        object.__setattr__(owner, at[1], value)  # Keras tracks what is set in its own way
    elif isinstance(owner, list | Mapping):
        owner[at[1]] = value
    else:
        raise ValueError("a number in a tuple cannot be replaced")


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def described(path: Path) -> str:
    return ".".join(str(p[1] if isinstance(p, tuple) else p) for p in path)
