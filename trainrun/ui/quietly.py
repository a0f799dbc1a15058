"""A part of the program that prints nothing but warnings, errors and problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trainrun.ui import console


@contextmanager
def quietly(on: bool = True) -> Iterator[None]:
    """Be quiet inside the `with`; afterwards it is as before.

    Args:
        on: False changes nothing.
    """
    if not on:
        yield
        return
    before = console.quiet()
    try:
        yield
    finally:
        console.quiet(before)
