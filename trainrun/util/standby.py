"""A process that was forked early, before this one computed anything, and waits for the module that it is to run.

It takes the place of a new Python where the module's imports are in memory already, as in a run of the warm process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from io import FileIO

_waiting: list[Standby] = []  # at most one


class Standby:
    """The process, with what is used of `subprocess.Popen`.

    Attributes:
        pid: its id.
        stdin, stdout: pipes to its standard input and output, unbuffered.
    """

    def __init__(self) -> None:
        task, self._task = os.pipe()
        into, stdin = os.pipe()
        stdout, out = os.pipe()
        self._returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            for number in (self._task, stdin, stdout):
                os.close(number)
            _wait_for_task(task, into, out)
        for number in (task, into, out):
            os.close(number)
        self.stdin, self.stdout = FileIO(stdin, "w"), FileIO(stdout)

    def begin(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Have the process run a module's `main`.

        Raises:
            OSError: it has ended.
        """
        with FileIO(self._task, "w") as pipe:
            pipe.write(json.dumps([module, *arguments, dict(environment)]).encode())

    def poll(self) -> int | None:
        """Return the exit code; None: it runs."""
        return self._ended(os.WNOHANG)

    def wait(self) -> int:
        """Wait for the exit code."""
        return self._ended(0)

    def _ended(self, options: int) -> int | None:
        if self._returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # another thread has waited for it
                return self._returncode if self._returncode is not None else 0
            if pid:
                self._returncode = os.waitstatus_to_exitcode(status)
        return self._returncode


def prepare() -> None:
    """Fork the process; call it while this one has a single thread, and libraries have computed nothing."""
    with contextlib.suppress(OSError):  # no process left: a new Python does as well
        _waiting.append(Standby())


def take() -> Standby | None:
    """Return the process that waits, once; None: there is none."""
    while _waiting:
        process = _waiting.pop()
        if process.poll() is None:
            return process
    return None


def _wait_for_task(task: int, into: int, out: int) -> None:
    code = 1
    try:
        _waiting.clear()
        os.setsid()
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGHUP,
        ):  # for this process's parent, with which it ends
            signal.signal(number, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number, standard in ((into, 0), (out, 1), (nowhere, 2)):
            os.dup2(number, standard)
            os.close(number)
        with FileIO(task) as pipe:
            content = pipe.readall()
        if content:
            module, *arguments, environment = json.loads(content)
            sys.argv[:] = [module, *arguments]
            os.environ.clear()
            os.environ.update(environment)
            sys.path[:] = [
                folder for folder in sys.path if folder not in ("", os.getcwd())
            ]  # as `python -P` has it
            importlib.import_module(module).main()
        code = 0
    finally:
        os._exit(code)
