"""Threads that the end of the process does not wait for: for requests that may hang, and to read ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
NAME = "trainrun-background"


def begin(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Call a function in a thread of its own; the future has what it returns or raises."""
    from concurrent.futures import Future  # with logging 4 ms, for which no command without requests waits

    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, name=NAME, daemon=True).start()
    return future


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items; while the caller works on one, a thread makes the next."""
    iterator, end = iter(items), object()
    upcoming = begin(next, iterator, end)
    while (item := upcoming.result()) is not end:
        upcoming = begin(next, iterator, end)
        yield item


def busy() -> bool:
    """Return whether such a thread still runs: libraries may have begun others in it, which Python's end would wait for."""
    return any(thread.name == NAME for thread in threading.enumerate())
