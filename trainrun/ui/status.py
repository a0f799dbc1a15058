"""A line at the bottom of the terminal for a stage without a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trainrun.ui import console


@contextmanager
def status(text: str, shown: bool = True) -> Iterator[None]:
    """Show at the bottom of the terminal what happens inside the `with`.

    Args:
        text: what happens.
        shown: False where something else is shown there.
    """
    if not shown or not console.is_terminal():
        yield
        return
    from rich.text import Text

    console.live(Text(text, style="dim"))
    try:
        yield
    finally:
        console.live(None)
