"""`trainrun sync`: deliver a run's missing records in the foreground, with the code of the delivery process."""

from __future__ import annotations

import concurrent.futures
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.config import store_address
from trainrun.errors import UserError
from trainrun.tracking import journal, origin, status, trackers
from trainrun.tracking.delivery import errors, state
from trainrun.tracking.delivery.backoff import Backoff
from trainrun.tracking.delivery.errors import Deleted
from trainrun.tracking.delivery.replay import Follower
from trainrun.tracking.delivery.state import Cursor, Target
from trainrun.util import background, file_lock, grants
from trainrun.util.file_lock import FileLock

LOCK_TIMEOUT_S = 40.0  # longer than the delivery process of an ended run holds the lock
POLL_INTERVAL_S = 0.2
SHORTEST_TIMEOUT_S = 5.0  # a server may take so long for one request, whatever `timeout` is
UPLOAD_BYTES_PER_S = 100_000  # a file that is sent more slowly counts as hanging


class Synced(NamedTuple):
    """The result of `run`.

    Args:
        text: one line a tracker; empty if nothing was missing.
        unsent: number of records still not delivered.
        deleted: whether a user has deleted the run at the tracker, so that nothing is sent.
    """

    text: str
    unsent: int
    deleted: bool = False


class Where(NamedTuple):
    """Targets on the command line, which replace those in the run's record; None: as recorded.

    Args:
        tracker: its name.
        uri, experiment: its address and experiment.
    """

    tracker: str | None = None
    uri: str | None = None
    experiment: str | None = None


def run(
    run_dir: Path, where: Where, timeout: float, named: bool = True, silent: set[str] | None = None
) -> Synced:
    """Deliver what is missing of one run.

    Args:
        run_dir: its directory.
        where: where to.
        timeout: seconds to try again while the server does not answer, and that a request may hang.
        named: whether the user has named this run: one that was deleted on the server is recorded anew only then.
        silent: addresses where a request hangs; nothing more is sent there, and further ones are added.

    Raises:
        UserError: there is no such tracker, or an address held a password, which no file has.
    """
    now = status.settle(run_dir)
    if now.status == "UNKNOWN":
        return Synced(f"{run_dir}: {now.reason}; nothing can be sent.", 0)
    lock = FileLock(run_dir / state.LOCK)
    if not lock.acquire(0.0 if now.status == "RUNNING" else min(LOCK_TIMEOUT_S, timeout)):
        return Synced(f"{run_dir}: {file_lock.in_words(lock.holder)} is delivering it.", 0)
    try:
        original = None if now.status == "RUNNING" else origin.adopt(run_dir)
        targets = targets_of(run_dir, now.start, where)
        silent = set() if silent is None else silent
        done = [_deliver(run_dir, target, timeout, named, silent) for target in targets]
    finally:
        lock.release()
    copy = f"{run_dir} is a copy of {original}, and recorded as a run of its own" if original else ""
    text = "\n".join(filter(None, [copy, *(d.text for d in done)]))
    return Synced(text, sum(d.unsent for d in done), any(d.deleted for d in done))


def add_file(run_dir: Path, path: Path, timeout: float) -> Synced:
    """Add a file to the record of an ended run, and send it where the run was sent.

    Args:
        run_dir: the run's directory.
        path: the file, in that directory.
        timeout: as in `run`.
    """
    now = status.read(run_dir)
    if now.end is None:
        return Synced("", 0)
    try:
        book = journal.Journal(run_dir / status.JOURNAL)
        book.write("artifact", path=path.relative_to(run_dir).as_posix(), bytes=path.stat().st_size)
        book.close()
    except OSError as error:
        return Synced(f"{run_dir}: its journal cannot be written: {error}", 1)
    return run(run_dir, Where(), timeout, named=False) if state.latest(run_dir) else Synced("", 0)


def targets_of(run_dir: Path, start: Any, where: Where = Where()) -> list[Target]:  # noqa: B008 - it cannot change
    """Return a run's targets: those in its first record, else those it was delivered to before, else the default tracker.

    Args:
        run_dir: the run's directory.
        start: its journal's first record.
        where: targets on the command line.

    Raises:
        UserError: there is no such tracker, an address keeps nothing, or it has a redacted password.
    """
    recorded = trackers.recorded(start)
    if not recorded:  # recorded with tracking=none
        recorded = [
            {"tracker": e.get("tracker", trackers.default()), "uri": e["tracking_uri"], "experiment": e["experiment"]}
            for e in state.latest(run_dir)
        ]  # fmt: skip
    asked = {k: v for k, v in (("uri", where.uri), ("experiment", where.experiment)) if v is not None}
    name = where.tracker or (trackers.default() if asked or not recorded else None)
    if name is not None:
        recorded = [t for t in recorded if t["tracker"] == name][:1] or [{"tracker": name}]
    named = [
        {**(t.get("settings") or {}), "name": t["tracker"], "uri": origin.relocated(t.get("uri"), run_dir, start),
         "experiment": t.get("experiment"), **asked}
        for t in recorded
    ]  # fmt: skip
    if problems := [p for settings in named for p in store_address.problems("tracking", settings)]:
        raise UserError(problems)
    return [trackers.target(settings) for settings in named]


def _deliver(run_dir: Path, target: Target, timeout: float, named: bool, silent: set[str]) -> Synced:
    cursor = Cursor(run_dir, target)
    if cursor.deleted:
        if not named:
            return Synced("", 0, deleted=True)
        cursor.forget()
    make = trackers.find(target.tracker)
    tracker = make(cursor)
    total = len(journal.read(run_dir / status.JOURNAL).records)
    moved = tracker.moved()
    if not named and cursor.next >= total and not cursor.left and not moved:
        return Synced("", 0)
    withheld = trackers.withheld(target)
    lost = [withheld] if withheld else []
    make.prepare(target.uri)
    follower = Follower(cursor, tracker, lost.append)
    backoff, until = Backoff(), time.monotonic() + timeout
    error: BaseException | None = None
    anew = 0
    with grants.credentials(target.uri) as keep_withheld:
        while target.uri not in silent:
            attempt = background.begin(_attempt, follower, named or moved)
            if not _ended(attempt, follower, timeout):
                # It may go on some time: it gets no credentials then either, and writes nothing any more.
                keep_withheld()
                cursor.close()
                silent.add(target.uri)
                break
            error = attempt.exception() or follower.files.error
            if isinstance(error, Deleted):
                if not named or anew:
                    return Synced(
                        f"{run_dir}: {error}; nothing is sent.", total if named else 0, deleted=True
                    )
                anew += 1
                cursor.forget()
                follower.tracker.close()
                follower = Follower(cursor, make(cursor), lost.append)
                continue
            if error is None:
                break
            backoff.failed()
            pause = max(backoff.remaining, follower.files.backoff.remaining)
            if tracker.kind(error) != errors.PASSING or time.monotonic() + pause > until:
                break
            time.sleep(pause)
        if target.uri in silent:
            error = TimeoutError("no answer in time")
        else:
            follower.tracker.close()
    return _summary(run_dir, follower, lost, error)


def _attempt(follower: Follower, verify: bool) -> None:
    """Deliver once what can be delivered.

    Args:
        follower: of the run.
        verify: whether a server may have lost what it had.
    """
    if verify:
        follower.verify()
    follower.retry_left()
    follower.pass_on()
    follower.finish_files()


def _ended(attempt: Future[None], follower: Follower, timeout: float) -> bool:
    """Wait for an attempt as long as it moves on; return whether it has ended, and False if a request of it hangs."""
    began = time.monotonic()
    while not attempt.done():
        concurrent.futures.wait([attempt], POLL_INTERVAL_S)
        path = (follower.files.current or {}).get("path")
        if path is None and grants.is_local(follower.cursor.target.uri):
            continue  # making and opening a database is bounded by itself
        allowed = max(timeout, SHORTEST_TIMEOUT_S) + _size(follower.cursor.run_dir, path) / UPLOAD_BYTES_PER_S
        if time.monotonic() - max(began, follower.advanced) > allowed:
            return False
    return True


def _size(run_dir: Path, path: str | None) -> int:
    try:
        return 0 if path is None else (run_dir / path).stat().st_size
    except (OSError, ValueError, TypeError):
        return 0


def _summary(run_dir: Path, follower: Follower, lost: list[str], error: BaseException | None) -> Synced:
    cursor, tracker = follower.cursor, follower.tracker
    unsent = max(len(journal.read(run_dir / status.JOURNAL).records) - cursor.next, 0) + len(cursor.left)
    if not (follower.sent or cursor.left or error or lost):
        return Synced(f"{run_dir}: everything is delivered", 0)
    address = cursor.target.address
    place = f"{tracker.title} run {cursor.run_id} in {address}" if cursor.run_id else address
    parts = [*lost, f"{follower.sent} records sent to {place}"]
    if cursor.left:
        number, why = next(iter(cursor.left.items()))
        parts.append(f"{len(cursor.left)} are not taken there, the first is record {number}: {why}")
    if error is not None:
        parts.append(f"{unsent} not yet sent ({tracker.reason(error)})")
    return Synced(f"{run_dir}: {'; '.join(parts)}", unsent)
