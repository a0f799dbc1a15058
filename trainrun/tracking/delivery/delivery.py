"""One run, as the delivery process looks after it: when it is its turn, what is sent, what becomes of its end."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.tracking import status
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.errors import Deleted
from trainrun.tracking.delivery.replay import Backoff, Follower
from trainrun.tracking.delivery.state import Cursor, Lock, Target
from trainrun.tracking.mlflow.tracker import MlflowSink
from trainrun.ui import console
from trainrun.util import redaction

if TYPE_CHECKING:
    from trainrun.tracking.delivery.service import Service

SHORTEST = 0.05  # seconds that records gather at least
# A run that is older is looked at less often: after a tenth of its age, at most 10 seconds. Each time costs the server and
# us some 40 ms, which a training that uses all cores pays.
SHARE, SELDOM = 0.1, 10.0
# Of many runs at once each is looked at less often, too: after so many seconds for each of them. (64 runs in one graph
# report 64 epochs within a second, whose delivery takes a second of a core.)
CROWD = 0.1


class Job:
    """One run.

    Args:
        service: whose.
        told: the message that named it.
    """

    def __init__(self, service: Service, told: dict[str, Any]):
        self.service = service
        self.run_dir = Path(told["follow"])
        self.target = Target(*(told[k] for k in Target._fields))
        self.interval, self.timeout = max(float(told["interval"]), SHORTEST), float(told["timeout"])
        self.lock = Lock(self.run_dir)
        self.held = False
        self.waited_for = False  # by somebody who sits before the terminal
        self.over = False  # it has ended, as far as anybody has said
        self.follower: Follower | None = None
        self.finished = False
        self.given_up = False  # nobody waits for it any more
        self._began = time.monotonic()
        self._due = 0.0
        self._settled = self._deleted = False
        self._ours = threading.RLock()

    @property
    def backoff(self) -> Backoff:
        """Shared by all runs that go to the same store."""
        return self.service.backoffs.setdefault(self.target.uri, Backoff())

    @property
    def remaining(self) -> float:
        """Seconds until there is something to do."""
        return max(self._due - time.monotonic(), self.backoff.remaining, 0.0)

    def hurry(self) -> None:
        """Somebody waits."""
        self.waited_for = True
        self._due = 0.0
        self.backoff.hurry()

    def end(self) -> None:
        """The run has ended: what there is can go at once."""
        self.over, self._due = True, 0.0

    def take(self) -> bool:
        """Return whether the run is ours to look after."""
        with self._ours:
            self.held = self.held or self.lock.acquire()
            return self.held

    def settle(self) -> None:
        """Write the end that the training process cannot write any more; where it has written one, that stays."""
        with self._ours, contextlib.suppress(OSError):
            if not self._settled and self.take():
                self._settled = True
                status.mark_killed(self.run_dir, self.service.verdict(), self.service.parent)

    def work(self) -> None:
        """Deliver what there is."""
        now = time.monotonic()
        seldom = max(SHARE * (now - self._began), CROWD * self.service.live)
        self._due = now + max(self.interval, min(seldom, SELDOM))
        if not self.run_dir.is_dir():  # somebody has removed the run
            self._finish()
            return
        try:
            if not self.take():
                return
            if self.follower is None:
                cursor = Cursor(self.run_dir, self.target)
                # A delivery process before this one may have made runs that it could not write down any more.
                sink = MlflowSink(cursor, since=self.service.began)
                self.follower = Follower(cursor, sink, self.warn, self._report)
            if self.service.orphaned:
                self.settle()
        except OSError as error:
            self.failed(error)
            return
        console.attach(self.run_dir / status.LOG)
        try:
            self.follower.pass_on()
        except Deleted:
            self._leave_deleted()
        except Exception as error:
            self.failed(error)
        else:
            self.backoff.succeeded()
            self._report(failing=None)
            if self.follower.done:
                self._finish()
        finally:
            console.detach()

    def _leave_deleted(self) -> None:
        """Send nothing more; but look after the run until it ends."""
        if not self._deleted:
            self._deleted = True
            self.warn(
                f"MLflow run {self.follower.cursor.run_id} was deleted on the tracking server; nothing more is sent. "
                f"The journal keeps everything: trainrun sync {self.run_dir} records it anew."
            )
            self.service.tell(self.run_dir, finished=True)
        self._due = float("inf")
        if self.follower.ended:
            self._finish()

    def warn(self, text: str) -> None:
        """Have the training process say a line to its user."""
        console.log(f"warning: {text}")
        self.service.tell(self.run_dir, warn=text)

    def failed(self, error: BaseException) -> None:
        """Take note of an error, and try again later."""
        self.backoff.failed()
        if self.backoff.failures == 1:
            console.log(redaction.text("".join(traceback.format_exception(error))))
        # One failure may be a server that is just being started again, or a database that others are writing to.
        if self.backoff.failures < 2 and errors.kind(error) == errors.PASSING:
            return
        reason = errors.reason(error)
        if self.target.uri not in self.service.warned:
            self.service.warned.add(self.target.uri)
            self.warn(
                f"{self.target.address} takes no records ({reason}); the run goes on, and its journal keeps everything."
            )
        self._report(failing=reason)

    def _report(self, **more: Any) -> None:
        follower = self.follower
        if follower is None:
            self.service.tell(self.run_dir, **more)
            return
        cursor = follower.cursor
        self.service.tell(
            self.run_dir, identity=cursor.identity, next=cursor.next, left=len(cursor.left), **more
        )

    def _finish(self) -> None:
        self.finished = True
        self.service.tell(self.run_dir, finished=True)
        self.lock.release()
