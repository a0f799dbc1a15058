"""Work that is divided among the processors by threads: of numpy and the like, which release Python's global lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from trainrun.util import machine

Item = TypeVar("Item")
Result = TypeVar("Result")

# Threads at most; the results that wait to be taken are hardly more.
MOST = 32


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the result of each item, in their order; arguments as in `ahead`."""
    return list(ahead(work, items))


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], count: int | None = None
) -> Iterator[Result]:
    """Yield the result of each item, in their order; only a few items are taken before their turn, so that memory does not grow.

    Args:
        work: of an item; may be called for several at once.
        items: all of them.
        count: number of threads; None: one for each processor, `MOST` at most.
    """
    count = count or min(machine.cores(), MOST)
    with ThreadPoolExecutor(count) as pool:
        pending = deque[Future[Result]]()
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > 2 * count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
