"""The command's side: hand the command line to the warm process, pass signals on, and end as the run ends.

Only what Python has at hand is imported: a command that finds no warm process loses a millisecond or two.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from trainrun.warm import address

OFF = "TRAINRUN_WARM"  # =0: train in the command's own process
VERBS = ("evaluate", "predict", "reproduce", "resume")  # which load TensorFlow
# Flags of commands that train nothing, or, as sweeps, have a process to fork from of their own.
COLD = (
    "-h", "--help", "--version", "--hydra-help", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc", "-m", "--multirun", "--trust",
)  # fmt: skip
ANSWER_TIMEOUT_S = 1.0  # of a process that only has to compare two texts
LARGEST_MESSAGE = 1 << 20
_KEPT = {  # not passed on: they cannot be caught, are this process's own faults, or say that there is a message
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGIO, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
    signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
FROM_KERNEL = 128  # `si_code` of a signal of the terminal, which reaches the whole process group


class Stale(Exception):
    """The warm process has imported other code, or in another environment, and has ended.

    Args:
        idle_s: seconds without a run after which it would have ended.
    """

    def __init__(self, idle_s: float):
        self.idle_s = idle_s


def takes(argv: Sequence[str]) -> bool:
    """Return whether a command line is one that the warm process runs."""
    first = argv[0] if argv else "="
    is_run = "=" in first or first.startswith(("-", "~"))
    own_variables = any(
        "hydra.job.env_set" in word for word in argv
    )  # they must be set before TensorFlow is imported
    flags = any(word.partition("=")[0] in COLD for word in argv)
    return (is_run or first in VERBS) and not own_variables and not flags


def attempt(argv: Sequence[str]) -> int | None:
    """Have the warm process run a command line, and return its exit code; None: there is none, nothing has been run.

    A run that a signal has killed kills this process likewise.

    Args:
        argv: the words after `trainrun`.

    Raises:
        Stale: there was one that does not fit; nothing has been run.
    """
    if (
        sys.platform != "linux"
        or os.environ.get(OFF) == "0"
        or not takes(argv)
        or _has_interpreter_options(argv)
    ):
        return None
    try:
        connection = connect()
        if connection is None:
            return None
        with connection:
            answer = ask(connection, {"ask": "fits", "fingerprint": address.fingerprint()})
            if answer.get("stale"):
                raise Stale(answer["idle_s"])
            return _run(connection, argv)
    except (OSError, ValueError):  # it has ended just now, hangs, or takes no such message
        return None


def connect() -> socket.socket | None:
    """Return a connection to the warm process of this installation; None: there is none, or it is not this user's.

    Raises:
        OSError: there is a socket, and no process that answers.
    """
    path = address.path()
    if not os.path.exists(path) or not address.is_private(os.path.dirname(path)):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(ANSWER_TIMEOUT_S)
    try:
        connection.connect(path)
        if address.is_own(connection):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def ask(connection: socket.socket, question: Any) -> dict[str, Any]:
    """Return the answer to a question.

    Raises:
        OSError, ValueError: there is none.
    """
    import json

    connection.send(address.packed(question))
    return json.loads(connection.recv(LARGEST_MESSAGE))


def _has_interpreter_options(argv: Sequence[str]) -> bool:
    """Return whether Python itself was given options, such as ``-O``, which the warm process has not."""
    before = sys.orig_argv[1 : len(sys.orig_argv) - len(argv)]
    return any(word.startswith("-") and word not in ("-m", "-P") for word in before)


def _run(connection: socket.socket, argv: Sequence[str]) -> int | None:
    ignored = {s for s in signal.valid_signals() if s not in _KEPT and signal.getsignal(s) is signal.SIG_IGN}
    passed_on = signal.valid_signals() - _KEPT - ignored
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGIO})
    begun = False
    try:
        here = os.open(".", os.O_PATH | os.O_DIRECTORY)
        # All that a shell has opened for the command, such as `data.path=<(…)`.
        numbers = [n for n in map(int, os.listdir("/proc/self/fd")) if n <= 2 or _is_inherited(n)]
        request = {
            "argv": list(argv), "numbers": numbers, "environment": dict(os.environ), "path": sys.path, "umask": _umask(),
            "words": sys.argv, "ignored": sorted(ignored), "mask": sorted(mask), "nice": os.getpriority(os.PRIO_PROCESS, 0),
            "processors": sorted(os.sched_getaffinity(0)),
            "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
            "encodings": [(s.encoding, s.errors) for s in (sys.stdin, sys.stdout, sys.stderr)],
        }  # fmt: skip
        socket.send_fds(connection, [address.packed(request)], [here, *numbers])
        os.close(here)
        connection.settimeout(None)
        begun = connection.recv(16) == b"begun"
        if not begun:  # this process has rights, or limits, that the warm one cannot give
            return None
        status = _wait(connection, {*passed_on, signal.SIGIO})
    finally:
        if not begun:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if status is None:
        sys.stderr.write(
            "error: the process between this command and its run was killed; `trainrun runs` shows the run\n"
        )
        return 1
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


def _wait(connection: socket.socket, signals: set[int]) -> int | None:
    """Pass signals on until the run has ended; return its wait status, None if it is not known."""
    announce(connection)
    while True:
        with suppress(BlockingIOError):
            while message := connection.recv(16):
                if message == b"stopped":
                    _stop_likewise()
                    connection.send(bytes((signal.SIGCONT, True)))
                else:
                    return int(message)
            return None
        received = signal.sigwaitinfo(signals)
        if received.si_signo != signal.SIGIO:
            with suppress(OSError):
                connection.send(bytes((received.si_signo, received.si_code == FROM_KERNEL)))


def _stop_likewise() -> None:
    """Stop until the shell continues this process; not at all where no shell could, as the kernel decides."""
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})


def announce(connection: socket.socket) -> None:
    """Have the kernel send SIGIO to this process when a message arrives, or the other side has gone."""
    connection.setblocking(False)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)


def _is_inherited(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:  # it was that of the listing
        return False


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def _die_of(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the run has left one
    with suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
