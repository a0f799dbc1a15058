"""Imports of large libraries, without Python's search for garbage, which is a quarter of what they take."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unhindered(library: str) -> Iterator[None]:
    """Import a library inside the `with`; Python looks for no garbage meanwhile, and never among what is there then.

    A library's modules, functions and classes stay as long as the process; Python looks through all of them, again and again
    while they become more: 0.8 of 3.1 seconds for TensorFlow, 0.4 of 1.6 for MLflow, and a third of a second each time later
    on. In a process that is forked, looking at them would copy them, too.

    Args:
        library: its module; nothing is done where it has been imported already.
    """
    if library in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
