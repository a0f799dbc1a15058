"""What `checkpoint` may say, told before TensorFlow loads."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, did_you_mean
from trainrun.util.interval import Interval

# Those that no handler can be set for, and the one that the interpreter's faults use.
UNHEARD = ("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGCHLD")


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of the checkpoints."""
    node = config.get("checkpoint") or {}
    try:
        Interval.parse(node.get("every"))
    except ValueError as error:
        yield Problem("checkpoint.every", f"{error}.")
    keep = node.get("keep", 1)
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 1:
        yield Problem("checkpoint.keep", f"expected a whole number, at least 1, got {keep!r}.")
    grace = node.get("grace", 1.0)
    if not isinstance(grace, int | float) or isinstance(grace, bool) or not 0 < grace < float("inf"):
        yield Problem("checkpoint.grace", f"expected seconds, more than zero, got {grace!r}.")
    known = [s.name for s in signal.Signals if s.name not in UNHEARD]
    for name in node.get("signals") or []:
        if name not in known:
            yield Problem(
                "checkpoint.signals",
                f"expected signals' names, such as SIGUSR1, got {name!r}.{did_you_mean(name, known)}",
            )
