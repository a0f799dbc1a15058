"""How far a long loop has come: a line redrawn in place on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from trainrun.ui import console
from trainrun.util.durations import text as duration

T = TypeVar("T")
FIRST_S, REDRAW_S, LINE_S = (
    2.0,
    0.5,
    20.0,
)  # seconds until the first, between two on a terminal, and between two lines elsewhere


def counted(items: Sequence[T], doing: str) -> Iterator[T]:
    """Yield the items; if that takes long, show how many are done and how long the others will take.

    Args:
        items: to be worked on.
        doing: what is done with them (``checking points``).
    """
    began = time.monotonic()
    terminal = console.is_terminal()
    due = began + (FIRST_S if terminal else LINE_S)
    try:
        for done, item in enumerate(items):
            if (now := time.monotonic()) >= due and done:
                due = now + (REDRAW_S if terminal else LINE_S)
                left = (now - began) / done * (len(items) - done)
                text = f"{doing}: {done:,} of {len(items):,}, about {duration(left)} left"
                console.live(text) if terminal else console.note(text)
            yield item
    finally:
        console.live(None)


def so_far(blocks: Iterable[T], size: Callable[[T], int], doing: str) -> Iterator[T]:
    """Yield blocks whose number is not known; if that takes long, show how much is done.

    Args:
        blocks: to be worked on.
        size: of a block.
        doing: what is done with them (``predicting rows``).
    """
    began = time.monotonic()
    terminal = console.is_terminal()
    due, done = began + (FIRST_S if terminal else LINE_S), 0
    try:
        for block in blocks:
            yield block
            done += size(block)
            if (now := time.monotonic()) >= due:
                due = now + (REDRAW_S if terminal else LINE_S)
                text = f"{doing}: {done:,}, {done / (now - began):,.0f} a second"
                console.live(text) if terminal else console.note(text)
    finally:
        console.live(None)
