"""How far a long loop has come: a line redrawn in place on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from trainrun.ui import console
from trainrun.util.durations import text as duration

T = TypeVar("T")
# Seconds until the first line, between two on a terminal, and between two elsewhere.
FIRST_S, REDRAW_S, LINE_S = 2.0, 0.5, 20.0


class _Line:
    """The line of one loop; a context that removes it at the end.

    Args:
        on_errors: whether it stands on standard error, because standard output has the results.
    """

    def __init__(self, on_errors: bool = False) -> None:
        self._stream = sys.stderr if on_errors else sys.stdout
        self._began, self._terminal = time.monotonic(), console.is_terminal(self._stream)
        self._due = self._began + (FIRST_S if self._terminal else LINE_S)

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.redirect_stdout(self._stream):
            console.live(None)

    def due(self) -> float | None:
        """Return the seconds since the loop began if the line is to be shown now, else None."""
        if (now := time.monotonic()) < self._due:
            return None
        self._due = now + (REDRAW_S if self._terminal else LINE_S)
        return now - self._began

    def show(self, text: str) -> None:
        """Show the line, or show it anew."""
        with contextlib.redirect_stdout(self._stream):
            console.live(text) if self._terminal else console.note(text)


def counted(items: Sequence[T], doing: str) -> Iterator[T]:
    """Yield the items; if that takes long, show how many are done and how long the others will take.

    Args:
        items: to be worked on.
        doing: what is done with them (``checking points``).
    """
    with _Line() as line:
        for done, item in enumerate(items):
            if done and (seconds := line.due()) is not None:
                left = seconds / done * (len(items) - done)
                line.show(f"{doing}: {done:,} of {len(items):,}, about {duration(left)} left")
            yield item


def so_far(blocks: Iterable[T], size: Callable[[T], int], doing: str, on_errors: bool = False) -> Iterator[T]:
    """Yield blocks whose number is not known; if that takes long, show how much is done.

    Args:
        blocks: to be worked on.
        size: of a block.
        doing: what is done with them (``predicting rows``).
        on_errors: see `_Line`.
    """
    done = 0
    with _Line(on_errors) as line:
        for block in blocks:
            yield block
            done += size(block)
            if (seconds := line.due()) is not None:
                line.show(f"{doing}: {done:,}, {done / seconds:,.0f} a second")
