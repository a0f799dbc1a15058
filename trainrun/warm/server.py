"""`python -m trainrun.warm.server IDLE_SECONDS`: the warm process. `control.start` starts it and writes the fingerprint to its input.

It has one thread, and those that libraries have begun while they were imported. Nothing is computed in it: a process that is forked
after TensorFlow has begun to compute hangs.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from trainrun.util import huge_pages
from trainrun.warm import address, forked
from trainrun.warm.client import LARGEST_MESSAGE

# By name: they stand above this room.
IMPORTS = (
    "trainrun.sweep.launchers.preload",
    "trainrun.tracking.mlflow.preload",
    "trainrun.tracking.delivery.service",
)
# Rooms whose modules are imported as well; `cli` is what a run begins with.
ROOMS = (
    "config", "registry", "hydra_bridge", "data", "model", "metric", "loss", "optimizer", "schedule", "callback", "step", "hardware", "augment",
    "trainer", "checkpoint", "artifacts", "failure", "inspect", "run", "ui", "util", "cli.py",
)  # fmt: skip
REQUEST_TIMEOUT_S = 1.0  # for what a command writes at once
POLL_INTERVAL_S = 1.0  # between two looks whether runs have ended
MOST_FILES = 250  # that one message can hold


class Server:
    """The loop of the warm process.

    Args:
        listener: the socket.
        fingerprint: of the command that started it.
        idle_s: seconds without a run after which it ends.
    """

    def __init__(self, listener: socket.socket, fingerprint: str, idle_s: float):
        self.listener, self.fingerprint, self.idle_s = listener, fingerprint, idle_s
        self.runs, self.used, self.over = 0, time.monotonic(), False
        self._running: set[int] = set()

    def serve(self) -> forked.Request | None:
        """Answer until it is time to end: None; in each process that is forked for a run, return its request."""
        while not self.over and self._idle_left() > 0:
            self.listener.settimeout(POLL_INTERVAL_S if self._running else self._idle_left())
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # also: nothing has come
                connection, _ = self.listener.accept()
                if (request := self._answer(connection)) is not None:
                    return request
        return None

    def _idle_left(self) -> float:
        self._running = {pid for pid in self._running if os.waitpid(pid, os.WNOHANG) == (0, 0)}
        if self._running:
            self.used = time.monotonic()
        return self.used + self.idle_s - time.monotonic()

    def _answer(self, connection: socket.socket) -> forked.Request | None:
        with connection:
            connection.settimeout(REQUEST_TIMEOUT_S)
            if not address.is_own(connection):
                return None
            question = json.loads(connection.recv(LARGEST_MESSAGE))
            fits = question.get("fingerprint") == self.fingerprint
            self.over = question["ask"] == "stop" or (question["ask"] == "fits" and not fits)
            state = {
                "stale": not fits,
                "pid": os.getpid(),
                "runs": self.runs,
                "running": len(self._running),
                "idle_s": self.idle_s,
                "idle_left_s": self._idle_left(),
            }
            connection.send(address.packed(state))
            if question["ask"] != "fits" or not fits:
                return None
            content, files, _, _ = socket.recv_fds(connection, LARGEST_MESSAGE, MOST_FILES)
            try:
                details = json.loads(content)
                if (pid := os.fork()) == 0:
                    self.listener.close()
                    return forked.Request(connection.dup(), files, details)
            finally:
                if os.getpid() == SERVER:
                    for number in files:
                        os.close(number)
            self._running.add(pid)
            self.runs, self.used = self.runs + 1, time.monotonic()
        return None


SERVER = os.getpid()


def load() -> None:
    """Import what runs use, and run nothing; the working directory is the root afterwards."""
    for module in IMPORTS:
        importlib.import_module(module)
    package = Path(address.PACKAGE)
    files = [f for room in ROOMS for f in (sorted((package / room).rglob("*.py")) or [package / room])]
    for file in files:
        # Modules of processes of their own; those of packages that are not installed.
        if not file.stem.endswith("_main"):
            parts = (package.name, *file.relative_to(package).with_suffix("").parts)
            with contextlib.suppress(ImportError):
                importlib.import_module(".".join(parts).removesuffix(".__init__"))
    # Compose and check a config, of which signatures, option files and the grammar stay in memory: 50 ms of each run, and 20 that Keras'
    # losses are parsed in. In the folder of the socket, which has no conf/ of its own.
    os.chdir(address.folder())
    with contextlib.suppress(Exception):  # a run that composes says why
        importlib.import_module("trainrun.hydra_bridge.preflight").overrides(
            ("loss=mse", "metric=[accuracy,f1]")
        )
    os.chdir("/")
    importlib.invalidate_caches()  # each process does, and would write to the pages of what it frees: 8 ms
    gc.freeze()  # forked processes copy no page because the collector looks at it
    huge_pages.collapse()


def main() -> None:
    """Import, listen, and serve until the end."""
    atexit.register(forked.leave)  # before libraries register theirs
    from trainrun.util.file_lock import FileLock

    idle_s, fingerprint, path = float(sys.argv[1]), sys.stdin.read(), address.path()
    lock = FileLock(f"{path}.lock")
    if not lock.acquire(REQUEST_TIMEOUT_S):  # another one begins
        return
    load()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # which the fork server of sweeps blocks
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of one that was killed
    os.umask(0o077)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        try:
            request = Server(listener, fingerprint, idle_s).serve()
        finally:
            if os.getpid() == SERVER:
                os.unlink(path)
    if request is not None:
        sys.exit(forked.run(request))


if __name__ == "__main__":
    main()
