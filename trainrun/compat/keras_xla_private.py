"""Layers of Keras in a form that XLA compiles well for a CPU.

Checked with Keras 3.15.1. Without one of these names `for_xla` raises AttributeError when a program is compiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from trainrun.compat.keras_convolution_private import conv, max_pool
from trainrun.compat.keras_recurrent_private import inner_loop

_active: ContextVar[bool] = ContextVar("for_xla", default=False)


@contextmanager
def for_xla() -> Iterator[None]:
    """Trace convolutions, max pooling, LSTM, GRU and SimpleRNN in a form for XLA on a CPU, inside the `with`.

    For: `trainer.jit_compile` on a CPU. Public API: Keras has one form of a layer on TensorFlow. Patch: two functions of the backend
    and one method of three classes, once a process; they change nothing outside of the `with`, nor in other threads.
    Checked: Keras 3.15.1. Missing: AttributeError.
    """
    import keras
    from keras.src import backend

    layers = keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN
    places = [
        (backend.nn, "conv", conv),
        (backend.nn, "max_pool", max_pool),
        *((c, "inner_loop", inner_loop) for c in layers),
    ]
    for place, name, other in places:
        original = getattr(place, name)
        if getattr(original, "other", None) is not other:
            setattr(place, name, _either(original, other))
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def _either(original: Callable, other: Callable) -> Callable:
    """Return a function that is the other one inside of `for_xla` where that returns a result."""

    @functools.wraps(original)
    def either(*args: Any, **kwargs: Any) -> Any:
        output = other(*args, **kwargs) if _active.get() else None
        return original(*args, **kwargs) if output is None else output

    either.other = other
    return either
