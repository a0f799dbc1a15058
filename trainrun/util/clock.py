"""Seconds of a run by phase."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
INPUT = "input"  # the seconds that training waited for its input, a part of those under "train"


class Clock:
    """Sum of seconds by name.

    Example:
        >>> clock = Clock()
        >>> with clock("data"):
        ...     pass
        >>> clock.seconds
        {'data': 0.0, 'total': 0.0}
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the seconds inside the `with` under `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count seconds under `name`."""
        self._spent[name] = self._spent.get(name, 0.0) + seconds

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; count the seconds of waiting for them under `name`."""
        iterator = iter(items)
        while True:
            with self(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds by name, and `total` since the clock was made."""
        spent = {**self._spent, "total": time.perf_counter() - self._began}
        return {name: round(value, 3) for name, value in spent.items()}
