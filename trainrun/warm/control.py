"""Start, ask and end the warm process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.util import subprocesses, user_cache
from trainrun.warm import address, client

IDLE_S = 900.0
START_TIMEOUT_S = 180.0  # TensorFlow from a cold disk
STOP_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.05


def start(idle_s: float = IDLE_S) -> subprocess.Popen:
    """Start a warm process, and return without waiting for it.

    Args:
        idle_s: seconds without a run after which it ends.

    Raises:
        UserError: there is no place for its socket, or this is no Linux.
    """
    if sys.platform != "linux":
        raise UserError(
            "trainrun warm works on Linux only: elsewhere a process with TensorFlow cannot be forked."
        )
    folder = Path(address.folder())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not user_cache.is_private(str(folder)):
            raise UserError(
                f"{folder} has to be a directory of yours that others cannot enter: chmod 700 {folder}"
            )
        with open(folder / "log", "wb") as log:
            process = subprocesses.start(
                "trainrun.warm.server", str(idle_s), stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        with process.stdin as pipe:
            pipe.write(address.fingerprint().encode())
    except OSError as error:
        raise UserError(
            f"the warm process could not be started: {error}. Its socket is in {folder}."
        ) from error
    return process


def wait(process: subprocess.Popen) -> dict[str, Any]:
    """Wait until a process that was started answers; return its state.

    Raises:
        UserError: it does not.
    """
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        ended = process.poll() is not None  # before the question: another one may serve in its place
        if (now := state()) is not None:
            process.returncode = 0  # it outlives this process, of which Popen would warn
            return now
        if ended:
            break
        time.sleep(POLL_INTERVAL_S)
    log = Path(address.folder(), "log")
    last_line = log.read_text(errors="replace").strip().splitlines()[-1:] if log.is_file() else []
    raise UserError(f"the warm process does not answer. {log} says: {' '.join(last_line) or 'nothing'}")


def state(question: str = "state") -> dict[str, Any] | None:
    """Return what the warm process says of itself: `pid`, `runs`, `running`, `idle_s`, `idle_left_s`, `stale`; None: there is none.

    Args:
        question: ``stop`` ends it as well; runs go on.
    """
    with contextlib.suppress(OSError, ValueError):
        if sys.platform == "linux" and (connection := client.connect()) is not None:
            with connection:
                return client.ask(connection, {"ask": question, "fingerprint": address.fingerprint()})
    return None


def stop() -> dict[str, Any] | None:
    """End the warm process, and return its last state; None: there was none."""
    last = state("stop")
    until = time.monotonic() + STOP_TIMEOUT_S
    while last is not None and os.path.exists(address.path()) and time.monotonic() < until:
        time.sleep(POLL_INTERVAL_S)
    return last


def runs(count: int) -> str:
    """Return a number of runs in words."""
    return f"{count} {'run' if count == 1 else 'runs'}"
