"""TensorFlow, imported without what it writes to standard error: a few kinds of data are made by its operations."""

from __future__ import annotations

from types import ModuleType

from trainrun.ui import console
from trainrun.util import imports


def imported() -> ModuleType:
    """Return TensorFlow. Call it before Keras is imported, which imports it audibly."""
    with console.hushed(), imports.collector_paused("tensorflow"):
        import tensorflow as tf
    return tf
