"""Threads for requests that may hang: the end of the process does not wait for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

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


def busy() -> bool:
    """Return whether such a thread still runs: libraries may have begun others in it, which Python's end would wait for."""
    return any(thread.name == NAME for thread in threading.enumerate())
