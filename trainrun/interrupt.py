"""SIGTERM and SIGINT end a run in order: what was recorded stays, the status is the truth."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: which one; the exit code is 128 + it.
    """

    def __init__(self, signum: int):
        self.exit_code = 128 + signum
        super().__init__(f"stopped by {signal.Signals(signum).name}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` inside the `with` on the first SIGINT or SIGTERM; a second SIGINT ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers: a run inside a notebook's worker keeps its own
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise Interrupted(signum)

    saved = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)
