"""TensorFlow's warning about functions that are traced often, which says nothing where each run builds a model of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unannounced() -> Iterator[None]:
    """Hide the warning inside the `with`, or inside a function that this decorates; others of TensorFlow are shown."""
    logger = logging.getLogger("tensorflow")

    def is_other(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
