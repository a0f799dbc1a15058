"""What a worker of a cluster does for a trial: starts the trial's process, and talks to the sweep for it.

The trial itself runs in a process of its own, forked from one that has imported TensorFlow, just as on the machine of the
sweep. So a trial that crashes harms no worker, its exit code is known, and the next one need not import anything.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trainrun.sweep.launchers.protocol import Begun, ClusterTask, Ended, Epoch, Message, Stop
from trainrun.sweep.launchers.resources import Resources, Share
from trainrun.util import subprocesses

if TYPE_CHECKING:
    from trainrun.sweep.launchers.local import Pool

POLL_INTERVAL_S = 0.2  # for orders of the sweep


class Channel(Protocol):
    """The worker's end of the channel to the sweep."""

    def say(self, message: Message, answered: bool = False) -> str | None:
        """Send a message; return the answer, if there is to be one."""

    def order(self) -> Stop | None:
        """Return the sweep's request to end the trial, or None. Called often."""


class Mirror(Protocol):
    """Copies what a trial has written to where the sweep sees it."""

    def epoch(self) -> None:
        """Copy what must not be late: the journal."""

    def look(self) -> None:
        """Copy what may have changed; called often."""

    def end(self) -> None:
        """Copy everything."""


class InPlace:
    """The trial writes where the sweep sees it."""

    def epoch(self) -> None:
        """Nothing is to be copied."""

    look = end = epoch


def attend(task: ClusterTask, run_dir: Path, channel: Channel, mirror: Mirror | None = None) -> Ended:
    """Run a trial to its end; return how it has ended, which the caller sends to the sweep.

    Args:
        task: of the sweep.
        run_dir: where the trial is to write, on this machine.
        channel: to the sweep.
        mirror: None: the sweep sees `run_dir`.
    """
    from trainrun.sweep.trial import Trial

    mirror, number, asks = mirror or InPlace(), task.trial.number, task.trial.asks
    sys.path[:0] = [p for p in task.path if p not in sys.path]
    trial = Trial(number, list(task.trial.overrides), [], run_dir, task.trial.config)

    def on_epoch(trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        mirror.epoch()
        return channel.say(Epoch(number, epoch, dict(metrics), last), asks)

    with no_main():
        share, of = Share(task.threads, task.gpu, task.per_gpu), task.trial
        pool = _pool(share, tuple(of.plugins), tuple(of.command), task.trial_timeout, task.grace)
        pool.on_epoch, pool.answers = on_epoch, asks
        pool.start(trial, task.trial.resume)
    channel.say(Begun(number, platform.node(), os.getpid()))
    try:
        while not pool.wait(POLL_INTERVAL_S):
            order = channel.order()
            if order is not None:
                pool.kill() if order.kill else pool.stop()
            mirror.look()
    except BaseException:
        pool.kill()
        raise
    finally:
        if task.gpu is not None or os.environ.get("CUDA_VISIBLE_DEVICES", "-1") not in ("", "-1"):
            pool.close()  # the device is another's now
    mirror.end()
    return Ended(number, trial.status, trial.reason, trial.seconds)


@functools.lru_cache(maxsize=1)  # the process of the trial before may have the program already
def _pool(
    share: Share,
    plugins: tuple[str, ...],
    command: tuple[str, ...],
    trial_timeout: float | None,
    grace: float,
) -> Pool:
    """Return what runs trials with these settings, one at a time."""
    from trainrun.sweep.launchers.local import Pool

    gpus = [] if share.gpu is None else [share.gpu]
    return Pool(Resources(1, share.threads, gpus, share.per_gpu), plugins, command, trial_timeout, grace)


def warm() -> None:
    """Begin the process that trials are forked from."""
    with no_main():
        subprocesses.fork_server()


@contextlib.contextmanager
def no_main() -> Iterator[None]:
    """Within, new processes do not import the worker's own main module: it is Ray's or submitit's."""
    was, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = was
