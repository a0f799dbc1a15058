"""Child processes: a module in a new Python, a function in a fork of a server that has TensorFlow, or another program.

Every Python starts with a safe path: a file of the project that is named like a library (`random.py`) is not imported in its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from trainrun.compat import forkserver_private

PRELOAD = "trainrun.sweep.launchers.preload"  # what the fork server imports
MARKER = "TRAINRUN_PROCESS"
UNKNOWN = 255  # what multiprocessing says if the fork server has died; a process may end with it, too
# Signals to all processes of a job, as by `timeout` and `scancel`, do not end the fork server: it ends after the last process that it
# serves. Blocked, not ignored: its processes lose none that comes before they unblock them.
BLOCKED = (signal.SIGTERM, signal.SIGHUP)
LONGEST_SOCKET_FOLDER = 60
# Between attempts to reach the fork server. One that was killed counts as alive until the last of its threads has ended.
RESTART_WAITS_S = (0.0, 0.1, 0.5, 2.0, None)
POLL_INTERVAL_S = 0.2  # between two checks of whether the parent process lives
_ROOT = str(Path(__file__).resolve().parents[2])


def start(
    module: str,
    *arguments: str,
    path: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
    own_session: bool = True,
    **options: Any,
) -> subprocess.Popen:
    """Start `python -m module arguments`.

    Args:
        module: of this package.
        arguments: every user of the machine can read them, so they hold no password.
        path: further folders that it imports from, as `sys.path` has them. By itself those of PYTHONPATH, and not the working
            directory: a file there that is named like a library is none.
        environment: variables in addition to those of `base`.
        base: all other variables; by default this process's.
        own_session: whether it has a session of its own, so that Ctrl-C in the terminal does not reach it.
        options: of `subprocess.Popen`; standard input is closed by default.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**environment_of(base, path), **(environment or {})},
        start_new_session=own_session,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def environment_of(base: Mapping[str, str] | None, path: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment of a process that `start` starts with these arguments."""
    return {**(os.environ if base is None else base), "PYTHONPATH": _python_path(path)}


@contextmanager
def safe_path() -> Iterator[None]:
    """Have Python processes that are started inside the `with`, by whatever library, not import from the working directory."""
    with _variables(PYTHONSAFEPATH="1"):
        yield


def fork_server() -> Any:
    """Return multiprocessing's context whose processes are forked from a server that has TensorFlow; start that server.

    One that has died is replaced by another.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    with safe_path(), _variables(PYTHONPATH=_python_path()), _short_temporary_folder():
        forkserver.ensure_running()
    return context


def fork(target: Callable[..., None], *args: Any, environment: Mapping[str, str] | None = None) -> Forked:
    """Start a process that has imported TensorFlow, with the environment, search path and working directory of this one.

    It has a session of its own.

    Args:
        target: a function of a module, which may end the process by itself.
        args: that it is called with.
        environment: variables in addition.

    Raises:
        OSError: it cannot be started.
    """
    mark = uuid.uuid4().hex
    variables = {**os.environ, **(environment or {}), MARKER: mark}
    for wait in RESTART_WAITS_S:
        process = fork_server().Process(target=_forked, args=(target, args, variables, sys.path, os.getcwd()))
        main = sys.modules["__main__"]
        # The new process would import the main module: a script without a guard would run once more in each.
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            process.start()
            break
        except (OSError, EOFError) as error:  # the server has died just now: a later call starts another
            if wait is None:
                raise OSError(f"the fork server ends again and again ({error!r})") from error
            time.sleep(wait)
        finally:
            sys.modules["__main__"] = main
    return Forked(process, mark)


class Forked:
    """A forked process, whether or not the fork server still lives.

    When that is killed, multiprocessing says of all its processes that they ended with exit code 255, and they live on. So whether
    one lives is asked of the kernel.

    Args:
        process: started.
        mark: value of its variable `MARKER`, which programs that it starts inherit.
    """

    def __init__(self, process: multiprocessing.Process, mark: str):
        self._process, self.pid, self._mark = process, process.pid, mark
        self._descriptor: int | None = None
        with contextlib.suppress(OSError, AttributeError):  # it has ended already, or this is no Linux
            self._descriptor = os.pidfd_open(self.pid)

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    @property
    def sentinel(self) -> int:
        """What `multiprocessing.connection.wait` takes: it is ready when the process has ended."""
        return self._process.sentinel if self._descriptor is None else self._descriptor

    @property
    def exitcode(self) -> int | None:
        """None while it lives; minus the signal that killed it; `UNKNOWN` also where the fork server, which knew it, has died."""
        if self._descriptor is not None:
            if not select.select([self._descriptor], [], [], 0)[0]:
                return None
            self._process.join(5.0)  # the server hears of it a moment later
            return UNKNOWN if self._process.exitcode is None else self._process.exitcode
        return self._process.exitcode

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most so many seconds."""
        if self._descriptor is None:
            self._process.join(timeout)
        else:
            select.select([self._descriptor], [], [], timeout)

    def signal(self, number: int) -> None:
        """Send it a signal, and not its children."""
        if self.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and what it has started."""
        self.signal(signal.SIGKILL)
        self.kill_group()

    def kill_group(self) -> None:
        """Kill what it has left behind, when it has ended: its session, and programs that it has started in sessions of their own."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        marker = f"{MARKER}={self._mark}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marker in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)


def _forked(
    target: Callable[..., None],
    args: Sequence[Any],
    variables: Mapping[str, str],
    path: Sequence[str],
    cwd: str,
) -> None:
    os.setsid()  # Ctrl-C in the terminal is for the sweep, which passes it on once
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    forkserver_private.let_go()
    # The server may have been started by another sweep.
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:] = [*path, *(p for p in sys.path if p not in path)]
    os.chdir(cwd)
    target(*args)


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Have multiprocessing place its socket where the path is short enough: the kernel takes 107 characters."""
    candidates = [
        tempfile.gettempdir(),
        os.environ.get("XDG_RUNTIME_DIR", ""),
        "/tmp",
        "/var/tmp",
        "/dev/shm",
    ]
    usable = (
        p for p in candidates if p and len(os.fsencode(p)) <= LONGEST_SOCKET_FOLDER and os.access(p, os.W_OK)
    )
    before = tempfile.tempdir
    tempfile.tempdir = next(usable, before)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _python_path(further: Sequence[str] = ()) -> str:
    folders = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")]), *(p or os.getcwd() for p in further)]
    return os.pathsep.join(dict.fromkeys(folders))


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with(parent: int, grace_s: float) -> None:
    """End this process when its parent process has died, even if that was killed: by SIGTERM, so that it can save its state.

    Args:
        parent: the process id of the parent, as the parent has sent it: it may be gone already.
        grace_s: seconds after SIGTERM, after which the process ends at once.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_INTERVAL_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(
    command: Sequence[str],
    timeout: float,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run another program and return its output as text.

    Args:
        command: the program and its arguments.
        timeout: seconds.
        environment: variables in addition to this process's.
        options: of `subprocess.run`.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it has not ended in time.
    """
    done = subprocess.run(
        command,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        check=False,
        **options,
    )
    # Not by `text=True`, which would change the line ends of a diff.
    done.stdout, done.stderr = (s.decode(errors="replace") for s in (done.stdout, done.stderr))
    return done
