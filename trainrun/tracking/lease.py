"""The right to train a run, or to run a sweep: a lock with its holder's name, renewed as a sign of life for other machines."""

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
from trainrun.util import file_lock, liveness
from trainrun.util.file_lock import FileLock

TRAINING = ".training.lock"
SWEEP = ".sweep.lock"
RENEWAL_INTERVAL_S = 20.0
EXPIRY_S = (
    180.0  # without a sign of life from a process that cannot be seen from here, until it counts as gone
)
POLL_INTERVAL_S = 0.5
PATIENCE_S = 1.0  # for a process that looks whether the lock is held


def alive(run_dir: str | Path, start: Mapping[str, Any] | None = None) -> bool | None:
    """Tell whether a run, or a sweep, is being worked on.

    Args:
        run_dir: its directory.
        start: the start record of its last attempt; None: none is written yet.

    Returns:
        None: a process of another machine, or of another container, has it, which may be gone: its last sign of life is
        younger than `EXPIRY_S`, or an older trainrun gives none.
    """
    lock = FileLock(Path(run_dir) / (SWEEP if (start or {}).get("sweep") else TRAINING))
    holder = lock.holder
    if start is not None:
        seen = liveness.lives(start)
        if seen is not None or not gives_signs(start) or not lock.path.exists():
            return seen
        if not liveness.same_place(start, holder):  # it has given the right back, or another has it by now
            return False
    elif not holder:
        return False
    if lock.held:
        return True
    # Locks are seen by all containers of a machine, those of another machine on some file systems only.
    if liveness.same_kernel(holder):
        return False
    return None if silence(run_dir, lock) < EXPIRY_S else False


def gives_signs(start: Mapping[str, Any]) -> bool:
    """Return whether the run of a start record holds a lock while it trains; those of older versions do not."""
    return "pid_namespace" in start


def silence(run_dir: str | Path, lock: FileLock) -> float:
    """Return the seconds since a lock's holder gave its last sign of life, by the clock of the file system."""
    probe = Path(run_dir) / f".clock.{os.getpid()}"
    try:
        last = lock.path.stat().st_mtime
    except OSError:
        return float("inf")
    try:
        probe.touch()
        return probe.stat().st_mtime - last
    except OSError:  # we may only read there
        return time.time() - last
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def refusal(run_dir: str | Path, start: Mapping[str, Any], command: str, take_over: bool) -> str | None:
    """Return why a run that says RUNNING cannot be gone on with, and the way out.

    Args:
        run_dir: its directory.
        start: the start record of its last attempt.
        command: as typed.
        take_over: the user says that another machine's process is gone.

    Returns:
        None: it can; `held` waits for a process that cannot be seen from here.
    """
    now, who = alive(run_dir, start), file_lock.in_words(start)
    if now:
        return f"{run_dir} is still running ({who}). Stop it first, or wait."
    if now is None and not gives_signs(start) and not take_over:
        return (
            f"{run_dir} may still be running ({who}): that cannot be seen from here, and the version of trainrun that began it gives "
            f"no signs of life. If it is gone: {command} --take-over"
        )
    return None


@contextmanager
def held(run_dir: Path, name: str = TRAINING, take_over: bool = False) -> Iterator[None]:
    """Hold the right inside the `with`, and renew it.

    A process that has lost it, as one that stood still for longer than `EXPIRY_S`, ends at once: what it would write is another's.

    Args:
        run_dir: the run's directory.
        name: `TRAINING` or `SWEEP`.
        take_over: the user says that another machine's process is gone.

    Raises:
        UserError: another process has it.
    """
    lock = FileLock(run_dir / name)
    holder = lock.holder
    elsewhere = bool(holder) and not liveness.same_kernel(holder)
    if not (take_over and elsewhere):
        if elsewhere and not lock.held:
            _wait_for_silence(run_dir, lock)
        if lock.held or (elsewhere and silence(run_dir, lock) < EXPIRY_S):
            what = "trained" if name == TRAINING else "run"
            way = (
                "If that is gone, insist by --take-over" if elsewhere else "Stop that first (Ctrl-C), or wait"
            )
            raise UserError(f"{run_dir} is being {what} by {file_lock.in_words(holder)}. {way}.")
    # A former holder elsewhere, should it wake up, sees by the new file that the right is no longer its own.
    if not lock.acquire(PATIENCE_S, take_over=elsewhere):
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
    """Wait until a process that cannot be seen from here has been silent for `EXPIRY_S`, or gives a sign of life."""
    seconds = begin = silence(run_dir, lock)
    if seconds < EXPIRY_S:
        console.note(
            f"{file_lock.in_words(lock.holder)} had {run_dir} {seconds:.0f} s ago; it counts as gone if it gives no sign of life "
            f"for another {EXPIRY_S - seconds:.0f} s (--take-over does not wait)"
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
