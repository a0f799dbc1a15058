"""A run's files on their way to a tracker: one at a time, in another thread, so that a store that hangs delays no other record."""

from __future__ import annotations

import concurrent.futures
import math
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from trainrun.tracking.delivery.backoff import Backoff
from trainrun.util import background

Send = Callable[[Mapping[str, Any]], None]


class Outcome(NamedTuple):
    """What has become of a file.

    Args:
        number: of its record.
        record: the journal's.
        error: why it was not taken; None: it was.
    """

    number: int
    record: dict[str, Any]
    error: BaseException | None


class FileQueue:
    """Files that wait, and the one that is being sent. Only the sending itself happens in the other thread.

    Args:
        submit: begins a call in another thread.
        wake: called, in that thread, when a file was sent or not taken.
    """

    def __init__(
        self,
        submit: Callable[..., Future[Any]] = background.begin,
        wake: Callable[[], None] = lambda: None,
    ):
        self.backoff = Backoff()  # of files that are not taken
        self._submit, self._wake = submit, wake
        self._error: BaseException | None = None
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._under_way: tuple[int, dict[str, Any], Future[Any]] | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting or self._under_way)

    @property
    def error(self) -> BaseException | None:
        """Why the files that wait were not taken; None: none waits, or none was tried."""
        return self._error if self else None

    @property
    def active(self) -> bool:
        """Whether a file is under way, or due."""
        return self._under_way is not None or (bool(self._waiting) and self.backoff.remaining == 0)

    @property
    def pause(self) -> float:
        """Seconds until `outcome` or `send_next` has something to do; infinite until `wake` is called, or a file is added."""
        if self._under_way is not None:
            return 0.0 if self._under_way[2].done() else math.inf
        return self.backoff.remaining if self._waiting else math.inf

    @property
    def current(self) -> Mapping[str, Any] | None:
        """The record of the file that is under way."""
        return None if self._under_way is None else self._under_way[1]

    def add(self, number: int, record: dict[str, Any]) -> None:
        """Have a file sent.

        Args:
            number: of its record.
            record: the journal's.
        """
        self._waiting.append((number, record))

    def try_again(self, outcome: Outcome) -> None:
        """Put a file that was not taken behind the others, and pause before the next one."""
        self._waiting.append((outcome.number, outcome.record))
        self._error = outcome.error
        self.backoff.failed()

    def outcome(self) -> Outcome | None:
        """Return what has become of the file that was under way; None: it still is, or none was."""
        if self._under_way is None or not self._under_way[2].done():
            return None
        number, record, future = self._under_way
        self._under_way = None
        error = future.exception()
        if error is None:
            self._error = None
            self.backoff.succeeded()
        return Outcome(number, record, error)

    def send_next(self, send: Send) -> None:
        """Begin to send the next file, if none is under way and one is due.

        Args:
            send: sends one record; raises.
        """
        if self._under_way is None and self.active:
            number, record = self._waiting.popleft()
            future = self._submit(send, record)
            self._under_way = (number, record, future)
            future.add_done_callback(lambda _: self._wake())

    def wait(self, seconds: float) -> None:
        """Wait for the file that is under way."""
        if self._under_way is not None:
            concurrent.futures.wait([self._under_way[2]], seconds)

    def clear(self) -> None:
        """Forget all files; one that is under way may still arrive."""
        self._waiting.clear()
        self._under_way, self._error = None, None
