"""Processes that are forked from one that has imported TensorFlow, so that they need not."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

PRELOAD = "trainrun.sweep.launchers.preload"


def context() -> Any:
    """Return multiprocessing's context by which processes are forked; the process that they are forked from is started here."""
    from multiprocessing import forkserver

    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([PRELOAD])
    forkserver.ensure_running()
    return found


def start(
    target: Callable[..., None], *args: Any, environment: Mapping[str, str] | None = None
) -> multiprocessing.Process:
    """Start a process with the environment, search path and working directory of this one.

    Args:
        target: a function of a module, which may end the process by itself.
        args: that it is called with.
        environment: variables in addition.
    """
    everything = {**os.environ, **(environment or {})}
    process = context().Process(target=_main, args=(target, args, everything, sys.path, os.getcwd()))
    process.start()
    return process


def _main(
    target: Callable[..., None],
    args: Sequence[Any],
    environment: Mapping[str, str],
    path: Sequence[str],
    cwd: str,
) -> None:
    os.setsid()  # Ctrl-C in the terminal is for the sweep, which passes it on once
    # The process that this one was forked from may have been started by another sweep.
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [p for p in path if p not in sys.path]
    os.chdir(cwd)
    target(*args)
