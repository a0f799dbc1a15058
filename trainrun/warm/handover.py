"""The command's side of a run that has been handed over: what it is given, its signals, its end. Linux only."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from trainrun.warm import address

_KEPT = {  # not passed on: they cannot be caught, are this process's own faults, or say that there is a message
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGIO, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
    signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
FROM_KERNEL = 128  # `si_code` of a signal of the terminal, which reaches the whole process group


def run(connection: socket.socket, argv: Sequence[str]) -> int | None:
    """Have a run forked for this command, and wait for it.

    Args:
        connection: to a warm process that fits.
        argv: the words after `trainrun`.

    Returns:
        The exit code; None: nothing has been run.
    """
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
        try:
            while message := connection.recv(16):
                if message != b"stopped":
                    return int(message)
                _stop_likewise()
                connection.send(bytes((signal.SIGCONT, True)))
            return None
        except BlockingIOError:
            pass
        except ConnectionError:  # killed before it read all that was sent
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
