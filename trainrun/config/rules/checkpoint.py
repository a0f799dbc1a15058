"""Rules of the settings of `checkpoint`."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, did_you_mean
from trainrun.util.interval import Interval

# Signals that take no handler, and those that the interpreter and its child processes use.
RESERVED = ("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGCHLD")


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of the settings of checkpoints."""
    node = config.get("checkpoint") or {}
    try:
        Interval.parse(node.get("every"))
    except ValueError as error:
        yield Problem("checkpoint.every", f"{error}.")
    grace = node.get("grace", 1.0)
    if not isinstance(grace, int | float) or isinstance(grace, bool) or not 0 < grace < float("inf"):
        yield Problem("checkpoint.grace", f"expected seconds, more than zero, got {grace!r}.")
    known = [s.name for s in signal.Signals if s.name not in RESERVED]
    for name in node.get("signals") or []:
        if name not in known:
            yield Problem(
                "checkpoint.signals",
                f"expected signals' names, such as SIGUSR1, got {name!r}.{did_you_mean(name, known)}",
            )
