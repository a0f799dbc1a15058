"""Work that is divided among the processors by threads: of numpy and the like, which release Python's global lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from trainrun.util import machine

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the result of each item, in their order.

    Args:
        work: of an item; may be called for several at once.
        items: all of them.
    """
    with ThreadPoolExecutor(machine.cores()) as pool:
        return list(pool.map(work, items))
