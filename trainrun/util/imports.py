"""Import heavy libraries with the garbage collector paused, which saves about 25 % of the import's time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from trainrun.compat import keras_import_private

# Objects made since the last collection at which the youngest are collected again; Python's own number is 700.
RARE_COLLECTION = 200_000
_PYTHONS_OWN = gc.get_threshold()


def collect_rarely() -> None:
    """Run the garbage collector rarely until `collector_paused` has imported a large library.

    A command that composes, checks and ends makes half a million objects and keeps most of them: collecting is an eighth of its time.
    Training has the default again, since a late collection keeps tensors in memory.
    """
    gc.set_threshold(RARE_COLLECTION)


@contextmanager
def collector_paused(library: str, freeze: bool = False) -> Iterator[None]:
    """Pause the garbage collector while a library is imported inside the `with`.

    Args:
        library: its module; nothing is done if it has been imported already.
        freeze: have the collector ignore all objects that exist afterwards: a library's modules, functions and classes live as long as
            the process, and traversing them again and again takes time and, in a process that is forked, copies their pages. For
            trainrun's own processes only: in a notebook, the user's objects would be kept for ever.
    """
    if library in sys.modules or not gc.isenabled():
        _collect_as_usual()  # a run that was forked with TensorFlow in it trains now
        yield
        return
    gc.disable()
    try:
        with keras_import_private.optional_parts_postponed():
            yield
    finally:
        if freeze:
            gc.freeze()
        _collect_as_usual()
        gc.enable()


def _collect_as_usual() -> None:
    if gc.get_threshold()[0] == RARE_COLLECTION:
        gc.set_threshold(*_PYTHONS_OWN)
