"""Two processes that the warm one forks for a command: one becomes the run, the other stands between it and the command.

The one between has a session with the run, so that it can be stopped and continued; it passes signals on, reports how the run ends, and
kills it when the command is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import io
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainrun.util import standby
from trainrun.warm.handover import announce

ENTRY = "trainrun.__main__"  # by name: it stands above this room
_WATCHED = {signal.SIGCHLD, signal.SIGIO}
_code: list[int] = []  # the exit code of the run, in its process


@dataclass(frozen=True)
class Request:
    """A command to run.

    Args:
        connection: to the command's process.
        files: its working directory, and its open files in the order of `details["numbers"]`.
        details: as `client` sends them.
    """

    connection: socket.socket
    files: Sequence[int]
    details: Mapping[str, Any]


def run(request: Request) -> int:
    """Become the run, and return its exit code; the process between ends in here.

    Args:
        request: of the command.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    try:
        _take_limits(request.details)
    except (OSError, ValueError):  # a process cannot raise its limits again: the command runs by itself
        request.connection.send(b"unfit")
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    request.connection.send(b"begun")
    child = os.fork()
    if child == 0:
        request.connection.close()
        _become(request)
        _code.append(importlib.import_module(ENTRY).command(request.details["argv"]))
        return _code[0]
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    for number in (*request.files, 0, 1, 2):
        os.close(number)
    with contextlib.suppress(OSError):  # the command has gone in this moment; the run has ended
        _attend(request.connection, child)
    os._exit(0)


def leave() -> None:
    """End the process of a run that has ended; registered first, it is the last function that `atexit` calls.

    Python would then take all modules apart, and copy 200 MB of memory that is shared with the warm process for it: a third of a second.
    """
    if not _code:
        return
    for (
        thing
    ) in gc.get_objects():  # files that are open lose nothing; those of the warm process are not listed
        if issubclass(type(thing), io.IOBase):
            with contextlib.suppress(Exception):
                thing.flush()
    os._exit(_code[0])


def _attend(connection: socket.socket, child: int) -> None:
    """Pass signals on to the run and report when it stops or ends."""
    announce(connection)
    attended = True
    while True:
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and not os.WIFSTOPPED(status):
            return connection.send(str(status).encode()) and None
        if pid and attended:
            connection.send(b"stopped")
        while attended:
            try:
                message = connection.recv(16)
            except BlockingIOError:
                break
            except ConnectionError:
                message = b""
            attended = bool(message)
            number, whole_group = message or (signal.SIGKILL, False)
            with contextlib.suppress(OSError):
                (os.killpg if whole_group else os.kill)(child, number)
        signal.sigwaitinfo(_WATCHED)


def _take_limits(details: Mapping[str, Any]) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, details["nice"])
    os.sched_setaffinity(0, details["processors"])
    for name, limits in details["limits"].items():
        resource.setrlimit(getattr(resource, name), tuple(limits))


def _become(request: Request) -> None:
    """Take over all that a process inherits from the shell that starts it."""
    details = request.details
    os.setpgid(0, 0)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in details["ignored"] else signal.SIG_DFL)
    if signal.SIGINT not in details["ignored"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    here, *files = request.files
    os.fchdir(here)
    os.close(here)
    above = max(details["numbers"]) + 1
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for number in files]
    for number in files:
        os.close(number)
    for number, wanted in zip(moved, details["numbers"], strict=True):
        os.dup2(number, wanted)
        os.close(number)
    os.umask(details["umask"])
    os.environ.clear()
    os.environ.update(details["environment"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv[:], sys.path[:] = details["words"], details["path"]
    importlib.invalidate_caches()
    _open_streams(details["encodings"])
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # all runs would draw the same numbers without a seed; Python's own generator sees to that
    sys.modules["__main__"] = importlib.import_module(ENTRY)
    standby.prepare()
    signal.pthread_sigmask(signal.SIG_SETMASK, details["mask"])


def _open_streams(encodings: Sequence[Sequence[str]]) -> None:
    for number, (name, (encoding, errors)) in enumerate(
        zip(("stdin", "stdout", "stderr"), encodings, strict=True)
    ):
        binary = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 - for good
        at_once = bool(number) and (
            number == 2 or os.isatty(number) or bool(os.environ.get("PYTHONUNBUFFERED"))
        )
        newline = "\n" if number else None
        stream = io.TextIOWrapper(binary, encoding, errors, newline, line_buffering=at_once)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
