"""What the delivery process has reported of one run, as the training process keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Progress:
    """The progress of a run's delivery to one tracker, or of its alerts, as reported by the delivery process."""

    finished: bool = False
    identity: dict[str, str] | None = None
    failing: str | None = None
    sent: int = -1  # number of records delivered


class Followed:
    """A run that the delivery process was asked to deliver.

    Args:
        warn: prints one line to the user.
        count: number of trackers.
        alerts: whether alerts are sent.
    """

    def __init__(self, warn: Callable[[str], None], count: int, alerts: bool = False):
        self.warn = warn
        self.acknowledged = False
        self.trackers = [Progress() for _ in range(count)]
        # As of a tracker that has not answered yet: the end of a run waits no longer for them.
        self.alerts = Progress(finished=not alerts, failing="not sent yet")

    @property
    def finished(self) -> bool:
        """Whether the process has finished with the run."""
        return self.delivered and self.alerts.finished

    @property
    def delivered(self) -> bool:
        """Whether all records are sent to every tracker, or cannot be."""
        return all(p.finished for p in self.trackers)

    @property
    def failing(self) -> bool:
        """Whether every tracker that has not finished is failing."""
        return not self.finished and all(p.finished or p.failing for p in self.trackers)

    @property
    def sent(self) -> list[int]:
        """Number of records delivered to each tracker."""
        return [p.sent for p in self.trackers]

    @property
    def identity(self) -> dict[str, str] | None:
        """The run's identity at the first tracker that has reported one."""
        return next((p.identity for p in self.trackers if p.identity), None)

    def moved(self, sent: list[int], failing: bool) -> bool:
        """Return whether something has changed since."""
        return self.finished or self.sent != sent or self.failing != failing
