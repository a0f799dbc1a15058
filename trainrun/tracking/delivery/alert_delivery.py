"""Alerts of one run in the delivery process: sent beside the trackers, which they never delay."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from trainrun.tracking import alerts, journal, status
from trainrun.tracking.alerts import NOT_SENT, AlertSettings, Watcher
from trainrun.tracking.delivery.state import Cursor
from trainrun.ui import console
from trainrun.util import background

if TYPE_CHECKING:
    from trainrun.tracking.delivery.delivery import Delivery

INTERVAL_S, TRIES = 0.5, 3
PAUSE_S = 1.0  # before the second try; twice as long before the third


class AlertDelivery:
    """Reads the journal, and sends what the user wants to hear of.

    Args:
        run: the run's delivery as a whole.
        settings: where to.
    """

    def __init__(self, run: Delivery, settings: AlertSettings):
        self.run, self.settings = run, settings
        self.finished = False
        self._watcher = Watcher(run.run_dir, settings.events)
        self._tail = journal.Tail(run.run_dir / status.JOURNAL)
        self._began = False
        self._messages: deque[dict[str, Any]] = deque()
        self._sending: Future[str | None] | None = None
        self._failed: list[dict[str, Any]] = []
        self._due = 0.0

    @property
    def remaining(self) -> float:
        """Seconds until the next look."""
        return max(self._due - time.monotonic(), 0.0)

    def due_now(self) -> None:
        """Look at the next turn."""
        self._due = 0.0

    def work(self) -> None:
        """Read new records, and send one message after the other."""
        self._due = time.monotonic() + INTERVAL_S
        self._read()
        if self._sending is not None and self._sending.done():
            fault, event = self._sending.result(), self._messages.popleft()["event"]
            self._sending = None
            if fault is not None:
                self._not_sent(event, fault)
        if self._sending is None and self._messages:
            self._sending = background.begin(_send, self.settings, self._messages[0])
            self._sending.add_done_callback(self._sent)
        if self._watcher.ended and not self._messages:
            self._finish()

    def give_up(self, reason: str) -> None:
        """Count as not sent what is waiting, and end."""
        while self._messages:
            self._not_sent(self._messages.popleft()["event"], reason)
        self._finish()

    def _sent(self, _: Future[str | None]) -> None:
        """Have the next message sent at once; called by the thread of the last one."""
        self.due_now()
        self.run.service.wake()

    def _read(self) -> None:
        records = self._tail.read()
        last = max((i for i, r in enumerate(records) if r["kind"] == "start"), default=-1)
        for i, record in enumerate(records):
            try:
                message = self._watcher.take(record, current=self._began or i >= last)
            except Exception as error:  # of this record: the others are not held back
                self._not_sent(str(record.get("status", record["kind"])).lower(), type(error).__name__)
                continue
            if message is not None:
                self._messages.append(message)
        self._began = self._began or bool(records)

    def _not_sent(self, event: str, reason: str) -> None:
        self._failed.append({"alert": event, "reason": reason})
        self.run.warn(f"the alert of {self.run.run_dir.name} ({event}) was not sent: {reason}")

    def _finish(self) -> None:
        self.finished = True
        try:
            if self._failed:
                self._record_failures()
        finally:  # the training process waits for it
            self.run.report(tracker=len(self.run.deliveries), finished=True)

    def _record_failures(self) -> None:
        """Write to the journal what could not be sent; the run has ended, so that no other process writes."""
        book = journal.Journal(self._tail.path)
        try:
            for failure in self._failed:
                book.write("event", event=NOT_SENT, **failure)
        finally:
            book.close()
        for delivery in self.run.deliveries:  # trackers have no use for it: it does not count as undelivered
            if delivery.finished:
                cursor = Cursor(self.run.run_dir, delivery.target)
                cursor.next += len(self._failed)
                cursor.save()


def _send(settings: AlertSettings, message: Mapping[str, Any]) -> str | None:
    for number in range(TRIES):
        try:
            fault = alerts.send(settings, message)
        except Exception as error:  # its words may have the address
            fault = type(error).__name__
        if fault is None:
            return None
        console.log(f"alert: {fault}")
        if number + 1 < TRIES:
            time.sleep(PAUSE_S * 2**number)
    return fault
