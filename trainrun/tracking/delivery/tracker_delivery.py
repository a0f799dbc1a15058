"""The delivery of one run to one tracker: its schedule, and the handling of failures."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from trainrun.tracking import trackers
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.backoff import Backoff
from trainrun.tracking.delivery.errors import Deleted
from trainrun.tracking.delivery.file_queue import FileQueue
from trainrun.tracking.delivery.replay import Follower
from trainrun.tracking.delivery.state import Cursor, Target
from trainrun.ui import console
from trainrun.util import imports

if TYPE_CHECKING:
    from trainrun.tracking.delivery.delivery import Delivery

# Each delivery takes processor time from the training, so the interval grows: to this share of the run's age, or by the number of
# live runs.
INTERVAL_BY_AGE, INTERVAL_PER_RUN_S, LONGEST_INTERVAL_S = 0.1, 0.1, 10.0


class TrackerDelivery:
    """One run's delivery to one tracker.

    Args:
        run: the run's delivery as a whole.
        number: index of the tracker among the run's.
        target: tracker and address.
    """

    def __init__(self, run: Delivery, number: int, target: Target):
        self.run, self.number, self.target = run, number, target
        self.tracker = trackers.find(target.tracker)
        self.follower: Follower | None = None
        self.finished = False
        self._deleted = False
        self._began = time.monotonic()
        self._due = 0.0

    @property
    def backoff(self) -> Backoff:
        """Shared by all runs that go to the same address."""
        return self.run.service.backoffs.setdefault((self.target.tracker, self.target.uri), Backoff())

    @property
    def remaining(self) -> float:
        """Seconds until the next delivery."""
        due = self._due - time.monotonic()
        if self.follower is not None and not self._deleted:
            due = min(due, self.follower.pause)
        return max(due, self.backoff.remaining, 0.0)

    def hurry(self) -> None:
        """Deliver at once: the user waits."""
        self._due = 0.0
        self.backoff.hurry()
        if self.follower is not None:
            self.follower.files.backoff.hurry()

    def due_now(self) -> None:
        """Deliver at the next turn."""
        self._due = 0.0

    def postpone(self) -> None:
        """Set the next turn."""
        now = time.monotonic()
        grown = max(INTERVAL_BY_AGE * (now - self._began), INTERVAL_PER_RUN_S * self.run.service.live)
        self._due = now + max(self.run.interval, min(grown, LONGEST_INTERVAL_S))

    def work(self) -> None:
        """Deliver new records.

        Raises:
            Exception: it could not be delivered; see `failed`.
        """
        if self.follower is None:
            prepare(self.target.tracker, self.target.uri)
            service, cursor = self.run.service, Cursor(self.run.run_dir, self.target)
            # An earlier delivery process may have created runs whose ids it could not save.
            tracker = self.tracker(cursor, since=service.began)
            files = FileQueue(service.file_thread(self.target.tracker, self.target.uri).submit, service.wake)
            self.follower = Follower(cursor, tracker, self.run.warn, self._report, files)
        before = self.follower.cursor.next
        try:
            self.follower.pass_on()
        except Deleted as deleted:
            self._leave_deleted(str(deleted))
            return
        if self.follower.cursor.next > before:
            self.run.service.progressed()
        self.backoff.succeeded()
        self._report(failing=self._files_failing())
        if not self.follower.done:
            return
        if self.follower.drawing:  # plots follow, for which the training process need not wait
            self.run.report(tracker=self.number, finished=True)
        else:
            self.finish()

    def _files_failing(self) -> str | None:
        """Return why the store refuses files, or None; warn the user once, unless the error may be temporary."""
        follower = self.follower
        if (error := follower.files.error) is None:
            return None
        reason = follower.tracker.reason(error)
        place = f"files of {self.target.address}"
        passing = follower.tracker.kind(error) == errors.PASSING and follower.files.backoff.failures < 2
        if not passing and place not in self.run.service.warned:
            self.run.service.warned.add(place)
            console.log("".join(traceback.format_exception(error)))
            self.run.warn(
                f"the artifact store of {self.target.address} accepts no files ({reason}); metrics and the run's end are sent, "
                f"files are retried later: trainrun sync {self.run.run_dir}"
            )
        return reason

    def failed(self, error: BaseException) -> None:
        """Record an error, and try again later."""
        self.backoff.failed()
        if self.backoff.failures == 1:
            console.log("".join(traceback.format_exception(error)))
        tracker = self.follower.tracker if self.follower is not None else None
        kind = errors.kind(error) if tracker is None else tracker.kind(error)
        # A single failure may be a server that is restarting, or a database that is locked.
        if self.backoff.failures < 2 and kind == errors.PASSING:
            return
        reason = errors.reason(error) if tracker is None else tracker.reason(error)
        if self.target.uri not in self.run.service.warned:
            self.run.service.warned.add(self.target.uri)
            self.run.warn(
                f"{self.target.address} accepts no records ({reason}); the run goes on, and its journal keeps everything."
            )
        self._report(failing=reason)

    def finish(self) -> None:
        """End the delivery: everything is delivered, or cannot be delivered any more."""
        if self.follower is not None:
            self.follower.tracker.close()
        self.finished = True
        self.run.report(tracker=self.number, finished=True)

    def _leave_deleted(self, reason: str) -> None:
        """Stop sending, but hold the run's lock until it ends."""
        if not self._deleted:
            self._deleted = True
            self.run.warn(
                f"{reason}; nothing more is sent. The journal keeps everything: trainrun sync {self.run.run_dir} records it anew."
            )
            self.run.report(tracker=self.number, finished=True)
        self._due = float("inf")
        if self.follower.ended:
            self.finish()

    def _report(self, **more: Any) -> None:
        if self.follower is not None:
            cursor = self.follower.cursor
            more = {"identity": cursor.identity, "next": cursor.next, "left": len(cursor.left), **more}
        self.run.report(tracker=self.number, **more)


def prepare(name: str, uri: str) -> None:
    """Import the libraries that delivery to an address takes, with the garbage collector paused."""
    with imports.collector_paused(name):
        trackers.find(name).prepare(uri)
