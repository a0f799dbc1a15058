"""The lease on a run or sweep: a lock file that names its holder and is renewed as a heartbeat for other machines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.ui import console
from trainrun.util import file_lock, liveness, paths
from trainrun.util.file_lock import FileLock

TRAINING = ".training.lock"
SWEEP = ".sweep.lock"
RENEWAL_INTERVAL_S = 20.0
EXPIRY_S = 180.0  # without a heartbeat, after which a process on another machine counts as dead
POLL_INTERVAL_S = 0.5
LOCK_TIMEOUT_S = 1.0  # wait for a process that tests the lock


def alive(run_dir: str | Path, start: Mapping[str, Any] | None = None) -> bool | None:
    """Return whether a process is training a run, or running a sweep.

    Args:
        run_dir: its directory.
        start: the start record of its last attempt; None: none is written yet.

    Returns:
        True, False, or None if that cannot be determined: the process is on another machine or in another container, and
        its last heartbeat is younger than `EXPIRY_S`, or its version of trainrun sends none.
    """
    lock = FileLock(Path(run_dir) / (SWEEP if (start or {}).get("sweep") else TRAINING))
    holder = lock.holder
    if start is not None:
        seen = liveness.lives(start)
        if seen is not None or not lock.path.exists():
            return seen
        if not liveness.same_place(start, holder):  # the lease was released, or another process holds it now
            return False
    elif not holder:
        return False
    if lock.held:
        return True
    # A lock is visible in all containers of a machine, but across machines only on some file systems.
    if liveness.same_kernel(holder):
        return False
    return None if silence(run_dir, lock) < EXPIRY_S else False


def silence(run_dir: str | Path, lock: FileLock) -> float:
    """Return the seconds since the last heartbeat of a lock's holder, by the file system's clock.

    A time in the future is no heartbeat: a received file may have any.
    """
    probe = Path(run_dir) / f".clock.{os.getpid()}"
    try:
        last = lock.path.stat().st_mtime
    except OSError:
        return float("inf")
    try:
        file = paths.no_link(str(probe), os.O_RDWR | os.O_CREAT)
        try:
            os.utime(file)
            now = os.fstat(file).st_mtime
        finally:
            os.close(file)
    except OSError:  # a read-only directory
        now = time.time()
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return now - last if now - last > -EXPIRY_S else float("inf")


def refusal(run_dir: str | Path, start: Mapping[str, Any]) -> str | None:
    """Return why a run with status RUNNING cannot be resumed, and the way out.

    Args:
        run_dir: its directory.
        start: the start record of its last attempt.

    Returns:
        None if it can be resumed; `held` waits for a process on another machine.
    """
    if alive(run_dir, start):
        return f"{run_dir} is still running ({file_lock.in_words(start)}). Stop it first, or wait."
    return None


@contextmanager
def held(run_dir: Path, name: str = TRAINING, take_over: bool = False) -> Iterator[None]:
    """Hold and renew the lease inside the `with`.

    A process that has lost the lease, for example after it was suspended for longer than `EXPIRY_S`, exits at once: another
    process writes to the directory now.

    Args:
        run_dir: the run's directory.
        name: `TRAINING` or `SWEEP`.
        take_over: whether the user passed --take-over: the process on the other machine is dead.

    Raises:
        UserError: another process holds the lease.
    """
    lock = FileLock(run_dir / name)
    holder = lock.holder
    elsewhere = bool(holder) and not liveness.same_kernel(holder)
    if not (take_over and elsewhere):
        if elsewhere and not lock.held:
            _wait_for_silence(run_dir, lock)
        if lock.held or (elsewhere and silence(run_dir, lock) < EXPIRY_S):
            what = "trained" if name == TRAINING else "run"
            way = "If that is dead, pass --take-over" if elsewhere else "Stop that first (Ctrl-C), or wait"
            raise UserError(f"{run_dir} is being {what} by {file_lock.in_words(holder)}. {way}.")
    # The lock file is replaced, so that a former holder elsewhere notices that it has lost the lease.
    if not lock.acquire(LOCK_TIMEOUT_S, take_over=elsewhere):
        raise UserError(f"{run_dir} has just been taken by {file_lock.in_words(lock.holder)}.")
    over = threading.Event()
    renewal = threading.Thread(target=_renew, args=(lock, over), name="trainrun-lease", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        over.set()
        lock.release()


def _wait_for_silence(run_dir: Path, lock: FileLock) -> None:
    """Wait until a process on another machine has sent no heartbeat for `EXPIRY_S`, or sends one."""
    seconds = begin = silence(run_dir, lock)
    if seconds < EXPIRY_S:
        console.note(
            f"{file_lock.in_words(lock.holder)} was working on {run_dir} {seconds:.0f} s ago; waiting {EXPIRY_S - seconds:.0f} s for "
            "a heartbeat, after which it counts as dead (--take-over does not wait)"
        )
    while begin <= seconds < EXPIRY_S:
        time.sleep(POLL_INTERVAL_S)
        seconds = silence(run_dir, lock)


def _renew(lock: FileLock, over: threading.Event) -> None:
    while not over.wait(RENEWAL_INTERVAL_S):
        if not lock.owned:
            if not lock.path.parent.is_dir():  # the user has removed the run
                return
            console.error(
                f"{lock.path.parent} was taken over by {file_lock.in_words(lock.holder)}; this process ends."
            )
            os._exit(1)
        with suppress(OSError):
            lock.renew()
