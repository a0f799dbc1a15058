"""A plug-in's initializer, tried when it is built: its faults show elsewhere, as a shape that does not fit or an error of Keras'."""

from __future__ import annotations

from typing import Any

from trainrun.errors import Problem, UserError
from trainrun.util.places import place
from trainrun.util.user_frames import user_frames

SHAPE = (2, 3)


def check(key: str, name: str, initializer: Any) -> None:
    """Copy an initializer, as each layer has its own, and trace it with a small shape; nothing is drawn from random generators.

    Args:
        key: of its component in the config, for messages.
        name: of the component.
        initializer: the built object.

    Raises:
        UserError: it cannot be called as Keras calls it, or returns something else than values of that shape.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    if isinstance(initializer, keras.initializers.Initializer):
        try:
            type(initializer).from_config(initializer.get_config())
        except (TypeError, ValueError, KeyError) as error:
            text = f"{name} cannot be copied: {error}. Return the arguments of __init__ from get_config."
            raise UserError(Problem(key, f"{place(type(initializer).get_config)}: {text}")) from error
    call = type(initializer).__call__ if callable(initializer) else type(initializer)
    drawn = np.random.get_state()
    try:
        traced = tf.function(
            lambda: initializer(SHAPE, dtype="float32"), autograph=False
        ).get_concrete_function()
        got = traced.structured_outputs
    except (TypeError, ValueError) as error:
        if user_frames(error):
            raise
        function = getattr(call, "__wrapped__", None)
        written = (
            "__call__(self, shape, dtype=None)"
            if function is None
            else f"{function.__name__}(shape, dtype=None, …)"
        )
        text = f"{name} {error}. Write def {written}, which returns values of that shape."
        raise UserError(Problem(key, f"{place(call)}: {text}")) from error
    finally:
        np.random.set_state(drawn)
    if got is None or tuple(got.shape) != SHAPE:
        shown = "None" if got is None else f"shape {list(got.shape)}"
        text = f"{name} returned {shown} for shape {list(SHAPE)}; expected values of that shape."
        raise UserError(Problem(key, f"{place(call)}: {text}"))
