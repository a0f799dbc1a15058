"""A run delivered on request, by the code of the delivery process, while the user waits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import journal, status, trackers
from trainrun.tracking.delivery import errors, state
from trainrun.tracking.delivery.errors import Deleted
from trainrun.tracking.delivery.replay import Backoff, Follower
from trainrun.tracking.delivery.state import Cursor, Lock, Target
from trainrun.util import grants

LOCK_TIMEOUT_S = 40.0  # a delivery process of a run that has ended needs no longer


class Synced(NamedTuple):
    """What `run` has done.

    Args:
        text: one line a tracker; empty where there was nothing to do.
        unsent: records that are still not delivered.
    """

    text: str
    unsent: int


class Where(NamedTuple):
    """What the user asked for in place of the targets that a run names itself; None: as the run says.

    Args:
        tracker: its name.
        uri, experiment: its address, and its experiment.
    """

    tracker: str | None = None
    uri: str | None = None
    experiment: str | None = None


def run(run_dir: Path, where: Where, timeout: float, named: bool = True) -> Synced:
    """Deliver what is missing of one run.

    Args:
        run_dir: its directory.
        where: where to.
        timeout: seconds to try again while the server does not answer.
        named: whether the user has named this run: one that was deleted on the server is recorded anew only then.

    Raises:
        UserError: there is no such tracker, or an address held a password, which no file has.
    """
    now = status.settle(run_dir)
    if now.status == "UNKNOWN":
        return Synced(f"{run_dir}: {now.reason}; nothing can be sent.", 0)
    targets = targets_of(run_dir, now.start, where)
    lock = Lock(run_dir)
    if not lock.acquire(0.0 if now.status == "RUNNING" else LOCK_TIMEOUT_S):
        return Synced(f"{run_dir}: another process is delivering it.", 0)
    try:
        done = [_deliver(run_dir, target, timeout, named) for target in targets]
    finally:
        lock.release()
    return Synced("\n".join(d.text for d in done if d.text), sum(d.unsent for d in done))


def targets_of(run_dir: Path, start: Any, where: Where = Where()) -> list[Target]:  # noqa: B008 - it cannot change
    """Return where a run is to go: where its first record says, else where it was sent before, else to the default tracker.

    Args:
        run_dir: the run's directory.
        start: its journal's first record.
        where: what the user asked for.

    Raises:
        UserError: there is no such tracker, or an address held a password, which no file has.
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
    return [
        trackers.target({**(t.get("settings") or {}), "name": t["tracker"], "uri": t.get("uri"),
                         "experiment": t.get("experiment"), **asked})
        for t in recorded
    ]  # fmt: skip


def _deliver(run_dir: Path, target: Target, timeout: float, named: bool) -> Synced:
    cursor = Cursor(run_dir, target)
    if cursor.deleted:
        if not named:
            return Synced("", 0)
        cursor.forget()
    make = trackers.find(target.tracker)
    tracker = make(cursor)
    total = len(journal.read(run_dir / status.JOURNAL).records)
    moved = tracker.moved()
    if not named and cursor.next >= total and not cursor.left and not moved:
        return Synced("", 0)
    withheld = grants.withheld(target.uri)
    lost = [withheld] if withheld else []
    make.prepare()
    follower = Follower(cursor, tracker, lost.append)
    backoff, until = Backoff(), time.monotonic() + timeout
    error: Exception | None = None
    with grants.credentials(target.uri):
        while True:
            try:
                if named or moved:
                    follower.verify()  # a server may have lost what it had
                follower.retry_left()
                follower.pass_on()
            except Deleted:
                if not named:
                    text = f"{run_dir}: {tracker.title} run {cursor.run_id} was deleted there; it stays so."
                    return Synced(text, 0)
                cursor.forget()
                follower.tracker.close()
                follower = Follower(cursor, make(cursor), lost.append)
            except Exception as fault:
                error = fault
                backoff.failed()
                if tracker.kind(fault) != errors.PASSING or time.monotonic() + backoff.remaining > until:
                    break
                time.sleep(backoff.remaining)
            else:
                error = None
                break
        follower.tracker.close()
    return _summary(run_dir, follower, lost, error)


def _summary(run_dir: Path, follower: Follower, lost: list[str], error: Exception | None) -> Synced:
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
