"""Saving a model to a `.keras` file, atomically."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from trainrun.compat import keras_private


def save(model: keras.Model, path: Path) -> None:
    """Write a model to a `.keras` file; a file that exists stays intact until the new one is complete.

    Raises:
        OSError: the file cannot be written.
    """
    keras_private.cache_attributes_that_saving_skips()
    temporary = path.with_name(f".{path.name}")  # not `paths.whole`: Keras requires the suffix .keras
    try:
        model.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
