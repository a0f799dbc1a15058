"""Exponential backoff for failed requests."""

from __future__ import annotations

import time


class Backoff:
    """Exponential backoff: half a second, doubled after each failure, at most half a minute, on a monotonic clock."""

    FIRST, LONGEST, WAITED_FOR = 0.5, 30.0, 1.0

    def __init__(self) -> None:
        self.failures = 0
        self._due = 0.0
        self._longest = self.LONGEST

    def failed(self) -> None:
        """Wait longer."""
        self.failures += 1
        # The exponent is bounded: a server may be down for a night.
        doubled = self.FIRST * 2 ** min(self.failures - 1, 10)
        self._due = time.monotonic() + min(doubled, self._longest)

    def succeeded(self) -> None:
        """Wait no more."""
        self.failures, self._due, self._longest = 0, 0.0, self.LONGEST

    def hurry(self) -> None:
        """Retry soon and often until a request succeeds: the user waits."""
        self._longest = self.WAITED_FOR
        self._due = min(self._due, time.monotonic() + self.FIRST)

    def relax(self) -> None:
        """Return to long pauses: the user waits no longer."""
        self._longest = self.LONGEST

    @property
    def remaining(self) -> float:
        """Seconds until the next try."""
        return max(self._due - time.monotonic(), 0.0)
