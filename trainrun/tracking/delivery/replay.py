"""Replay one run's journal to one tracker: count the delivered records, and retry the others."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trainrun.tracking import history, journal, origin, status
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.errors import Deleted
from trainrun.tracking.delivery.file_queue import FileQueue, Outcome
from trainrun.tracking.delivery.state import Cursor
from trainrun.util import decimal_digits

if TYPE_CHECKING:
    from trainrun.tracking.trackers import Tracker

AT_ONCE = 1000  # metrics in one delivery
WAITING = "not sent yet"  # reason in `Cursor.left` of a file that was not tried yet
MAX_PENDING = 20_000  # records in memory; further ones are read later
MAX_RESTARTS = 3  # of a run that the server has lost
END_GRACE_S = 2.0  # that the end waits for files: normally they are stored when the run is FINISHED there


class Follower:
    """Deliver a journal to a tracker, as it grows.

    Files have a queue of their own where the tracker keeps them apart (`Tracker.files_apart`): a store that takes none of them,
    or hangs, holds back neither metrics nor the end. The process holds the run's `state.LOCK` meanwhile.

    Args:
        cursor: how far the run is delivered.
        tracker: where to.
        say: takes one line when the server has lost the run.
        progress: called when the run is found or made, and after each delivery.
        files: the queue, empty; by default its files are sent by threads of their own.
    """

    def __init__(
        self,
        cursor: Cursor,
        tracker: Tracker,
        say: Callable[[str], None] = lambda text: None,
        progress: Callable[[], None] = lambda: None,
        files: FileQueue | None = None,
    ):
        self.cursor, self.tracker, self.say, self.progress = cursor, tracker, say, progress
        self.files = FileQueue() if files is None else files  # an empty queue is false
        self.sent = 0  # records delivered by this follower
        self.advanced = time.monotonic()  # when the delivery moved on last
        self.ended = False  # whether the run has ended: only artifacts and events may follow
        self.drawing = False  # plots and report of the ended run are still to follow
        self._restarts = 0
        head = journal.first(cursor.run_dir / status.JOURNAL)
        # Only the journal of a run that has moved may have a later record which declares it a copy.
        at_home = origin.at_home(cursor.run_dir, head)
        self._copy = None if at_home else origin.copied(journal.read(cursor.run_dir / status.JOURNAL).records)
        self._begin()

    @property
    def done(self) -> bool:
        """Whether the run has ended and nothing is pending; plots and report may follow (`drawing`)."""
        return self.ended and not self._pending and not self.files

    @property
    def pause(self) -> float:
        """Seconds until files, or the end that waits for them, are to be seen to; infinite where there are none."""
        end_due = math.inf if self._end_due is None else max(self._end_due - time.monotonic(), 0.0)
        return min(self.files.pause, end_due)

    def pass_on(self) -> None:
        """Deliver what the journal has, but for files that are under way when it returns.

        Raises:
            Deleted: a user has deleted the run on the server.
            Exception: what `Tracker.kind` calls passing or refused; what was delivered before it is counted.
        """
        self._read()
        if not self._pending and self.files.pause > 0:
            return
        if self.cursor.deleted:
            raise Deleted(f"{self.tracker.title} run {self.cursor.run_id} was deleted on the tracking server")
        try:
            if self._start is not None:
                self.tracker.open(self._start)
                self._advance()
            while True:
                self._pass_on_files()
                if not self._pending or self._end_waits():
                    return
                self._deliver([self._pending[i] for i in range(self._portion())])
                self._advance()
                self._read()
        except Exception as error:
            self._lost(error)
        self.pass_on()

    def finish_files(self) -> None:
        """Send the files that wait, until none is left or the store takes none for now; raises as `pass_on`."""
        while self.files.active:
            self.files.wait(END_GRACE_S)
            self.pass_on()

    def verify(self) -> None:
        """Check that the server still has the run; if it does not, start the delivery over.

        Raises:
            Deleted: a user has deleted the run on the server.
            Exception: as `pass_on`.
        """
        if self.cursor.run_id is None and not self.cursor.next:
            return
        try:
            self.tracker.check()
            self._read()
            if self._start is not None:
                self.tracker.open(self._start)  # its parent run may have changed, too
        except Exception as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        """Start the delivery over if the server has lost the run; otherwise raise the error."""
        kind = self.tracker.kind(error)
        if kind == errors.DELETED:
            self.cursor.deleted = True
            self.cursor.save()
            why = f"{self.tracker.title} run {self.cursor.run_id} was deleted on the tracking server"
            raise Deleted(why if self.cursor.run_id else str(error)) from error
        if kind != errors.GONE or self._restarts >= MAX_RESTARTS:
            raise error
        self._restarts += 1
        if self.cursor.run_id is not None:
            self.say(
                f"the tracking server has lost {self.tracker.title} run {self.cursor.run_id}: it is sent again from the beginning."
            )
        self.cursor.forget()
        self._begin()

    def retry_left(self) -> None:
        """Retry the records that the store has refused, except files, which have a queue of their own."""
        self._read()
        if not self.cursor.left or self._start is None or self.cursor.deleted:
            return
        records = journal.read(self._tail.path).records
        self.tracker.open(self._start)
        for number in list(self.cursor.left):
            n = decimal_digits.number(number)
            if n is None or n >= len(records) or self._is_file(records[n]):
                continue
            try:
                self.tracker.deliver([records[n]])
            except Exception as error:
                if self.tracker.kind(error) not in (errors.INVALID, errors.RACE):
                    raise
                self.cursor.left[number] = self.tracker.reason(error)
            else:
                del self.cursor.left[number]
                self.sent += 1
        self.cursor.save()

    def _begin(self) -> None:
        self._tail = journal.Tail(self.cursor.run_dir / status.JOURNAL)
        self._start: Mapping[str, Any] | None = None
        self._pending: deque[tuple[int, dict[str, Any]]] = deque()
        self._end_due: float | None = None  # when the end is sent, whether or not files are under way
        self.files.clear()
        self._once = history.Once()
        self._tagged = 0  # number of differences listed in the run's tag
        self.tracker.begin()

    def _read(self) -> None:
        """Read new records of the journal, at most about `MAX_PENDING` while a server is down."""
        if len(self._pending) > MAX_PENDING:
            return
        first = self._tail.count
        for number, record in enumerate(self._tail.read(), first):
            if record["kind"] in ("start", "end"):  # behind an end, events may follow
                self.ended = record["kind"] == "end"
                self.drawing = self.ended and bool(record.get(status.DRAWING))
            elif record.get("event") == status.DRAWN:
                self.drawing = False
            if record["kind"] == "start":
                self._begin_attempt(record, number)
            if record["kind"] in history.METRICS:
                record = self._once.only_new(record)
            if number < self.cursor.next:
                self._recall(number, record)
            else:
                self._pending.append((number, record))

    def _recall(self, number: int, record: dict[str, Any]) -> None:
        try:
            self.tracker.recall(record)
        except Exception as error:
            if self.tracker.kind(error) not in (errors.INVALID, errors.RACE):
                self._begin()  # the records that were read with it are not pending yet
                raise
            self.cursor.left[str(number)] = self.tracker.reason(error)
        if str(number) in self.cursor.left and self._is_file(record):
            self.files.add(number, record)

    def _begin_attempt(self, start: dict[str, Any], number: int) -> None:
        if self._start is None:
            self._start = start if self._copy is None else origin.start_of_copy(start, self._copy)
        else:  # a resumed run repeats steps after its checkpoint, whose records were delivered before
            self._once.begin(start, journal.read(self._tail.path).records[:number])
            self._tagged = 0

    def _portion(self) -> int:
        """Return how many pending records go into one request: metrics are sent together, others one by one."""
        count, metrics = 0, 0
        for _, record in self._pending:
            if record["kind"] not in history.NUMBERS:
                break
            count, metrics = count + 1, metrics + len(record["metrics"])
            if metrics >= AT_ONCE:
                break
        return max(count, 1)

    def _is_file(self, record: Mapping[str, Any]) -> bool:
        return record["kind"] == "artifact" and self.tracker.files_apart

    def _end_waits(self) -> bool:
        if self._pending[0][1]["kind"] != "end" or not self.files.active:
            self._end_due = None
            return False
        self._end_due = self._end_due or time.monotonic() + END_GRACE_S
        return time.monotonic() < self._end_due

    def _pass_on_files(self) -> None:
        """Record what has become of the file that was under way, and begin the next one."""
        while (outcome := self.files.outcome()) is not None:
            self._settle_file(outcome)
            self._advance()
        self.files.send_next(lambda record: self._send([record]))

    def _settle_file(self, outcome: Outcome) -> None:
        """Count a file that was taken; another waits behind the others, or for `trainrun sync` if it never will be."""
        number, record, error = outcome
        if error is None:
            self.cursor.left.pop(str(number), None)
            self.sent += 1
            self.cursor.save()
            return
        kind = self.tracker.kind(error)
        self.cursor.left[str(number)] = f"{record['path']}: {self.tracker.reason(error)}"
        self.cursor.save()
        if kind not in (errors.INVALID, errors.RACE):
            self.files.try_again(outcome)
        if kind in (errors.GONE, errors.DELETED):
            self.tracker.check()  # raises if it is the run that is gone; else it is the file's own fault

    def _advance(self) -> None:
        self.advanced = time.monotonic()
        self.progress()

    def _deliver(self, portion: list[tuple[int, dict[str, Any]]]) -> None:
        number, first = portion[0]
        if self._is_file(first):
            self.files.add(*self._pending.popleft())
            self.cursor.left[str(number)], self.cursor.next = WAITING, number + 1
            self.cursor.save()
            return
        try:
            if first["kind"] == "end":
                self._tag_differences()
            self._send([record for _, record in portion])
        except Exception as error:
            if self.tracker.kind(error) not in (errors.INVALID, errors.RACE):
                raise
            if len(portion) > 1:  # one record is refused: send them one by one
                for one in portion:
                    self._deliver([one])
                return
            self.cursor.left[str(number)] = self.tracker.reason(error)
        else:
            self.sent += len(portion)
        for _ in portion:
            self._pending.popleft()
        self._end_due = None
        self.cursor.next = portion[-1][0] + 1
        self.cursor.save()

    def _send(self, records: list[dict[str, Any]]) -> None:
        for pause in (0.1, 0.3, 1.0, None):
            try:
                return self.tracker.deliver(records)
            except Exception as error:
                # Two runs that begin at once may create the same object, such as their dataset.
                if pause is None or self.tracker.kind(error) != errors.RACE:
                    raise
                time.sleep(pause)

    def _tag_differences(self) -> None:
        if len(self._once.differing) > self._tagged:
            self.tracker.tag(self._once.tags())
            self._tagged = len(self._once.differing)
