"""One run in the delivery process: its lock, its end, and a delivery for each tracker."""

from __future__ import annotations

import contextlib
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.tracking import status
from trainrun.tracking.alerts import AlertSettings
from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.alert_delivery import AlertDelivery
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.delivery.tracker_delivery import TrackerDelivery
from trainrun.ui import console
from trainrun.util.file_lock import FileLock

if TYPE_CHECKING:
    from trainrun.tracking.delivery.service import Service

SHORTEST = 0.05  # seconds that records gather at least


class Delivery:
    """The delivery of one run to all of its trackers.

    Args:
        service: the delivery process' service.
        message: the training process' message about the run.
    """

    def __init__(self, service: Service, message: dict[str, Any]):
        self.service = service
        self.run_dir = Path(message["follow"])
        self.interval, self.timeout = max(float(message["interval"]), SHORTEST), float(message["timeout"])
        self.lock = FileLock(self.run_dir / state.LOCK)
        self.held = False
        self.waited_for = False  # by the user
        self.over = False  # the training process has reported the end of the run
        self.finished = False
        self.released = False  # the user no longer waits
        self._settled = False
        self._taking = threading.RLock()
        targets = [Target(**target) for target in message["targets"]]
        deliveries = [TrackerDelivery(self, i, target) for i, target in enumerate(targets)]
        # Files before servers: a request that hangs delays those after it.
        self.deliveries = sorted(deliveries, key=lambda d: d.tracker.identifies)
        self.alerts = (
            AlertDelivery(self, AlertSettings(**message["alerts"])) if message.get("alerts") else None
        )

    @property
    def remaining(self) -> float:
        """Seconds until the next delivery."""
        return min(
            (d.remaining for d in (*self.deliveries, self.alerts) if d and not d.finished), default=0.0
        )

    def hurry(self) -> None:
        """Deliver at once: the user waits."""
        self.waited_for = True
        for delivery in self.deliveries:
            delivery.hurry()
        if self.alerts is not None:
            self.alerts.due_now()

    @property
    def abandoned(self) -> bool:
        """Whether the user does not wait for it, nor for an alert."""
        return self.released and (self.alerts is None or self.alerts.finished)

    def relax(self) -> None:
        """Retry at longer intervals: the user no longer waits."""
        self.released = True
        for delivery in self.deliveries:
            delivery.backoff.relax()

    def end(self) -> None:
        """Deliver the remaining records at once: the run has ended."""
        self.over = True
        for delivery in self.deliveries:
            delivery.due_now()

    def take(self) -> bool:
        """Return whether this process holds the run's lock; try to take it."""
        with self._taking:
            self.held = self.held or self.lock.acquire()
            return self.held

    def settle(self) -> None:
        """Write the missing end record of a killed training process; an existing one stays."""
        with self._taking, contextlib.suppress(OSError):
            if not self._settled and self.take():
                self._settled = True
                status.mark_killed(self.run_dir, self.service.verdict(), self.service.parent)

    def work(self) -> None:
        """Deliver new records to each tracker that is due."""
        if not self.run_dir.is_dir():  # the user has removed the run
            self.report(finished=True)
            self._finish()
            return
        log: Path | None = None
        for delivery in self.deliveries:
            if delivery.finished or delivery.remaining > 0:
                continue
            delivery.postpone()
            try:
                if not self.take():
                    continue
                if self.service.orphaned:
                    self.settle()
                if log is None:
                    log = self.run_dir / status.LOG
                    console.attach(log)
                delivery.work()
            except Exception as error:  # of one tracker: the others are not held back
                delivery.failed(error)
        if log is not None:
            console.detach()
        self._alert()
        if all(d.finished for d in (*self.deliveries, self.alerts) if d):
            self._finish()

    def _alert(self) -> None:
        alerts = self.alerts
        if alerts is None or alerts.finished or alerts.remaining > 0 or not self.take():
            return
        if self.service.orphaned:
            self.settle()
        console.attach(self.run_dir / status.LOG)
        try:
            alerts.work()
        except Exception as error:  # never the run's matter
            console.log("".join(traceback.format_exception(error)))
            self.give_up_alerts(type(error).__name__)
        finally:
            console.detach()

    def give_up_alerts(self, reason: str) -> None:
        """Send no more alerts; those that wait are recorded as not sent."""
        if self.alerts is not None and not self.alerts.finished and self.run_dir.is_dir() and self.take():
            with contextlib.suppress(OSError):  # no room for the record
                self.alerts.give_up(reason)

    def report(self, **fields: Any) -> None:
        """Send something to the training process."""
        self.service.report(self.run_dir, **fields)

    def warn(self, text: str) -> None:
        """Have the training process print a line to its user."""
        console.log(f"warning: {text}")
        self.report(warn=text)

    def _finish(self) -> None:
        # Nothing is reported here: after its last tracker's report, the training process may have the run followed anew.
        self.finished = True
        self.lock.release()
