"""Seconds of a run by phase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


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
            self._spent[name] = self._spent.get(name, 0.0) + time.perf_counter() - start

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds by name, and `total` since the clock was made."""
        spent = {**self._spent, "total": time.perf_counter() - self._began}
        return {name: round(value, 3) for name, value in spent.items()}
