"""A run delivered on request: the same code as the delivery process, while somebody waits."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.errors import UserError
from trainrun.tracking import journal, status
from trainrun.tracking.delivery import errors, parent_run, state
from trainrun.tracking.delivery.errors import Deleted
from trainrun.tracking.delivery.replay import Backoff, Follower
from trainrun.tracking.delivery.state import Cursor, Lock, Target
from trainrun.tracking.mlflow.store import DEFAULT_EXPERIMENT, resolve_uri
from trainrun.tracking.mlflow.tracker import MlflowSink
from trainrun.util import redaction

PATIENCE_FOR_LOCK = 40.0  # seconds: a delivery process of a run that has ended needs no longer


class Synced(NamedTuple):
    """What `run` has done.

    Args:
        text: one line; empty where there was nothing to do.
        unsent: records that are still not delivered.
    """

    text: str
    unsent: int


def run(run_dir: Path, uri: str | None, experiment: str | None, timeout: float, named: bool = True) -> Synced:
    """Deliver what is missing of one run.

    Args:
        run_dir: its directory.
        uri, experiment: where to; None: where the run was to go.
        timeout: seconds to try again while the server does not answer.
        named: whether the user has named this run: one that was deleted on the server is recorded anew only then.
    """
    found = status.settle(run_dir)
    if found.status == "UNKNOWN":
        return Synced(f"{run_dir}: {found.reason}; nothing can be sent.", 0)
    target = target_of(run_dir, found.start, uri, experiment)
    lock = Lock(run_dir)
    if not lock.acquire(0.0 if found.status == "RUNNING" else PATIENCE_FOR_LOCK):
        return Synced(f"{run_dir}: another process is delivering it.", 0)
    try:
        return _deliver(run_dir, target, timeout, named)
    finally:
        lock.release()


def target_of(run_dir: Path, start: Any, uri: str | None, experiment: str | None) -> Target:
    """Return where a run is to go.

    Raises:
        UserError: its address held a password, which no file has.
    """
    wanted: dict[str, Any] = dict(start.get("tracking") or {})
    last = state.latest(run_dir)
    if not wanted and last is not None:  # made offline, and sent before
        wanted = {"uri": last["tracking_uri"], "experiment": last["experiment"]}
    known = wanted.get("uri")
    if uri is None and known is not None and redaction.HIDDEN in known:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            raise UserError(
                f"{run_dir} goes to {known}, and its password is in no file: give the address with --uri, or in "
                "MLFLOW_TRACKING_URI."
            )
    return Target(
        uri=resolve_uri(uri or known),
        experiment=experiment or wanted.get("experiment") or DEFAULT_EXPERIMENT,
        run_name=wanted.get("run_name"),
        log_model=bool(wanted.get("log_model", True)),
        log_artifacts=bool(wanted.get("log_artifacts", True)),
    )


def _deliver(run_dir: Path, target: Target, timeout: float, named: bool) -> Synced:
    place = Cursor(run_dir, target)
    if place.deleted:
        if not named:
            return Synced("", 0)
        place.forget()
    total = len(journal.read(run_dir / status.JOURNAL).records)
    moved = parent_run.of_sweep(run_dir, target) not in (None, place.parent_id)
    if not named and place.next >= total and not place.left and not moved:
        return Synced("", 0)
    lost: list[str] = []
    follower = Follower(place, MlflowSink(place), lost.append)
    backoff, until = Backoff(), time.monotonic() + timeout
    error: Exception | None = None
    while True:
        try:
            if named or moved:
                follower.verify()  # a server may have lost what it had
            follower.retry_left()
            follower.pass_on()
        except Deleted:
            if not named:
                return Synced(f"{run_dir}: MLflow run {place.run_id} was deleted there; it stays so.", 0)
            place.forget()
            follower = Follower(place, MlflowSink(place), lost.append)
        except Exception as fault:
            error = fault
            backoff.failed()
            if errors.kind(fault) != errors.PASSING or time.monotonic() + backoff.remaining > until:
                break
            time.sleep(backoff.remaining)
        else:
            error = None
            break
    return _told(run_dir, follower, lost, error)


def _told(run_dir: Path, follower: Follower, lost: list[str], error: Exception | None) -> Synced:
    place = follower.cursor
    unsent = max(len(journal.read(run_dir / status.JOURNAL).records) - place.next, 0) + len(place.left)
    where = f"MLflow run {place.run_id} in {place.target.address}" if place.run_id else place.target.address
    if not (follower.sent or place.left or error or lost):
        return Synced(f"{run_dir}: everything is delivered", 0)
    parts = [*lost, f"{follower.sent} records sent to {where}"]
    if place.left:
        number, why = next(iter(place.left.items()))
        parts.append(f"{len(place.left)} are not taken there, the first is record {number}: {why}")
    if error is not None:
        parts.append(f"{unsent} not yet sent ({errors.reason(error)})")
    return Synced(f"{run_dir}: {'; '.join(parts)}", unsent)
