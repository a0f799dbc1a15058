"""What a worker of another engine does for a trial: attends the trial's process, and speaks for it with the sweep.

The trial itself runs in a process of its own, forked from one that has imported TensorFlow, just as on the machine of the
sweep. So a trial that crashes harms no worker, its exit code is known, and the next one need not import anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from trainrun.sweep.launchers.local import Pool

LOOK = 0.2  # seconds between two looks at what the sweep says


class Line(Protocol):
    """The worker's line to the sweep."""

    def say(self, message: Mapping[str, Any], answered: bool = False) -> Any:
        """Say something; return the answer, if there is to be one."""

    def order(self) -> str | None:
        """Return what the sweep wants of the trial: ``stop``, ``kill``, or None. Asked often."""


class Mirror(Protocol):
    """Brings what a trial has written to where the sweep sees it."""

    def epoch(self) -> None:
        """Bring what must not be late: the journal."""

    def look(self) -> None:
        """Bring what may have changed; called often."""

    def end(self) -> None:
        """Bring everything."""


class InPlace:
    """The trial writes where the sweep sees it."""

    def epoch(self) -> None:
        """Nothing is to be brought."""

    look = end = epoch


def attend(
    told: Mapping[str, Any], run_dir: Path, line: Line, mirror: Mirror | None = None
) -> dict[str, Any]:
    """Run a trial to its end; return its `status`, `reason` and `seconds`, which the caller says to the sweep.

    Args:
        told: as `Foreign.told` makes it.
        run_dir: where the trial is to write, on this machine.
        line: to the sweep.
        mirror: None: the sweep sees `run_dir`.
    """
    from trainrun.sweep.trial import Trial

    mirror = mirror or InPlace()
    sys.path[:0] = [p for p in told["path"] if p not in sys.path]
    trial = Trial(told["number"], told["overrides"], [], run_dir, told["config"])

    def heard(trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        mirror.epoch()
        return line.say({"epoch": epoch, "metrics": dict(metrics), "last": last}, told["asks"])

    with no_main():
        pool = _pool(told)
        pool.heard, pool.asked = heard, told["asks"]
        pool.start(trial, told["resume"])
    line.say({"begun": {"host": platform.node(), "pid": os.getpid()}})
    try:
        while not pool.wait(LOOK):
            order = line.order()
            if order == "kill":
                pool.kill()
            elif order == "stop":
                pool.stop()
            mirror.look()
    except BaseException:
        pool.kill()
        raise
    finally:
        if told["gpu"] is not None or os.environ.get("CUDA_VISIBLE_DEVICES", "-1") not in ("", "-1"):
            pool.close()  # the device is another's now
    mirror.end()
    return {"status": trial.status, "reason": trial.reason, "seconds": trial.seconds}


_kept: tuple[Any, Pool | None] = None, None


def _pool(told: Mapping[str, Any]) -> Pool:
    """Return the pool of the trial before, whose process may have the program already, or a new one."""
    global _kept
    from trainrun.sweep.launchers.local import Pool
    from trainrun.sweep.launchers.resources import Resources

    given = told["plugins"], told["command"], told["trial_timeout"], told["grace"]
    gpus, per_gpu = [] if told["gpu"] is None else [told["gpu"]], told["per_gpu"]
    key = json.dumps([told["threads"], gpus, per_gpu, *given])
    if _kept[0] != key:
        if _kept[1] is not None:
            _kept[1].close()
        _kept = key, Pool(Resources(1, told["threads"], gpus, per_gpu), *given)
    return _kept[1]


def warm() -> None:
    """Begin the process that trials are forked from."""
    from trainrun.sweep.launchers import fork_server

    with no_main():
        fork_server.fork_server()


@contextlib.contextmanager
def no_main() -> Iterator[None]:
    """Within, new processes do not import the worker's own main module: it is Ray's or submitit's."""
    was, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = was
