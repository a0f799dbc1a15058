"""Saving a model to a `.keras` file, atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from trainrun.compat import keras_model_private, keras_private


@contextmanager
def uncompiled(model: keras.Model) -> Iterator[None]:
    """Leave loss, metrics and optimizers of models inside a model out of what is saved of it."""
    layers = keras_model_private.all_layers(model, include_self=False)
    inside = [m for m in layers if isinstance(m, keras.Model) and m.compiled]
    optimizers = [m.optimizer for m in inside]
    for m in inside:
        m.compiled, m.optimizer = False, None
    try:
        yield
    finally:
        for m, optimizer in zip(inside, optimizers, strict=True):
            m.compiled, m.optimizer = True, optimizer


def save(model: keras.Model, path: Path) -> None:
    """Write a model to a `.keras` file; a file that exists stays intact until the new one is complete.

    Raises:
        OSError: the file cannot be written.
    """
    keras_private.cache_attributes_that_saving_skips()
    temporary = path.with_name(f".{path.name}")  # not `paths.whole`: Keras requires the suffix .keras
    try:
        with uncompiled(model):
            model.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
