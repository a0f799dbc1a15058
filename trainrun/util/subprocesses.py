"""Child processes: a module in a new Python, a function in a fork of a server that has TensorFlow, or another program."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

PRELOAD = "trainrun.sweep.launchers.preload"  # what the fork server imports
_ROOT = str(Path(__file__).resolve().parents[2])


def start(
    module: str,
    *arguments: str,
    path: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    own_session: bool = True,
    **options: Any,
) -> subprocess.Popen:
    """Start `python -m module arguments`.

    Args:
        module: of this package.
        arguments: every user of the machine can read them, so they hold no password.
        path: further folders that it imports from, as `sys.path` has them. By itself those of PYTHONPATH, and not the working
            directory: a file there that is named like a library is none.
        environment: variables in addition to this process's.
        own_session: whether it has a session of its own, so that Ctrl-C in the terminal does not reach it.
        options: of `subprocess.Popen`; standard input is closed by default.

    Raises:
        OSError: it cannot be started.
    """
    folders = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")]), *(p or os.getcwd() for p in path)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), **(environment or {})},
        start_new_session=own_session,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def fork_server() -> Any:
    """Return multiprocessing's context whose processes are forked from a server that has TensorFlow; start that server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    forkserver.ensure_running()
    return context


def fork(
    target: Callable[..., None], *args: Any, environment: Mapping[str, str] | None = None
) -> multiprocessing.Process:
    """Start a process that has imported TensorFlow, with the environment, search path and working directory of this one.

    Args:
        target: a function of a module, which may end the process by itself.
        args: that it is called with.
        environment: variables in addition.
    """
    variables = {**os.environ, **(environment or {})}
    process = fork_server().Process(target=_forked, args=(target, args, variables, sys.path, os.getcwd()))
    process.start()
    return process


def _forked(
    target: Callable[..., None],
    args: Sequence[Any],
    variables: Mapping[str, str],
    path: Sequence[str],
    cwd: str,
) -> None:
    os.setsid()  # Ctrl-C in the terminal is for the sweep, which passes it on once
    # The server may have been started by another sweep.
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:0] = [p for p in path if p not in sys.path]
    os.chdir(cwd)
    target(*args)


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
