"""The processes that faults meet: trainrun's command line, forked from a server that has imported TensorFlow.

A fork saves the four seconds that an import of TensorFlow takes; from `trainrun.__main__.main` on all is as in a process of its own:
its session, its standard streams, the fork server of its sweep and its delivery process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from attacks.command import parent

from trainrun.util import subprocesses

MARK = "TRAINRUN_CHAOS"  # a variable by whose value the processes of a point are recognized
NEW_HOST_NAMES = 0x04000000  # CLONE_NEWUTS of unshare(2)
DELIVERY = "trainrun.tracking.delivery.service"
FORK_SERVER = "multiprocessing.forkserver"
_forking = threading.Lock()  # a fork sets variables of this process for a moment


def main(folder: str, words: list[str], output: str, host: str) -> None:
    """Be trainrun with these words; the process ends with its exit code.

    Args:
        folder: the working directory.
        words: of the command line.
        output: file that standard output and error are appended to.
        host: the name that the host has for this process and its children; "": its own.
    """
    os.chdir(folder)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if host:
        _rename_host(host)
    import trainrun.__main__ as program

    # What a sweep's trials are told of the main module, they are told of this one.
    sys.argv, sys.modules["__main__"] = ["trainrun", *words], program
    program.main()


def _rename_host(name: str) -> None:
    """Give the host another name in a namespace of this process; without the right to, only Python is told so."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_HOST_NAMES) == 0:
        socket.sethostname(name)
    else:
        platform.node = socket.gethostname = lambda: name


class Process:
    """A forked trainrun.

    Args:
        folder: its working directory.
        words: of the command line.
        output: see `main`.
        mark: value of `MARK` for it and its children.
        host: see `main`.
    """

    def __init__(self, folder: Path, words: tuple[str, ...], output: Path, mark: str, host: str = ""):
        self.words, self.output = words, output
        with _forking:
            self._forked = subprocesses.fork(
                main, str(folder), list(words), str(output), host, environment={MARK: mark}
            )
        self.pid = self._forked.pid

    @property
    def code(self) -> int | None:
        """Its exit code, or None while it lives."""
        return self._forked.exitcode

    def wait(self, seconds: float) -> int | None:
        """Wait until it ends; return its exit code, or None if it lives on."""
        self._forked.join(seconds)
        return self.code

    @property
    def printed(self) -> str:
        """What it has printed."""
        with contextlib.suppress(OSError):
            return self.output.read_text(errors="replace")
        return ""


def living(mark: str) -> dict[int, str]:
    """Return the started processes with a mark, as number -> command line; forked ones of this program have none of their own."""
    processes, entry = {}, f"{MARK}={mark}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (path / "environ").read_bytes().split(b"\0"):
                processes[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return processes


def trials(mark: str) -> list[int]:
    """Return the processes of a sweep's trials: children of its fork server."""
    processes = living(mark)
    servers = [p for p, line in processes.items() if FORK_SERVER in line and parent(p) not in processes]
    return [p for p in processes if parent(p) in servers]


def send(pids: list[int], number: int) -> None:
    """Send a signal to processes; those that have ended do not matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end_all(mark: str) -> None:
    """Kill what is left of a point."""
    send([*living(mark)], signal.SIGKILL)


def calm(mark: str, seconds: float) -> list[str]:
    """Wait until no process of a point lives; return the command lines of those that do in spite of that."""
    until = time.monotonic() + seconds
    while left := living(mark):
        if time.monotonic() > until:
            return [*left.values()]
        time.sleep(0.1)
    return []
