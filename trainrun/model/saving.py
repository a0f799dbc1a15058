"""A model into its file: whole or not at all, and without asking for the same names again and again."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from trainrun.compat import keras_private


def save(model: keras.Model, path: Path) -> None:
    """Write a model to a `.keras` file; what was there stays until all of it is written."""
    keras_private.cache_attributes_that_saving_skips()
    new = path.with_name(f".{path.name}")  # not `paths.whole`: Keras wants the ending
    try:
        model.save(new)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
