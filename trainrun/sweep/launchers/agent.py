"""A cluster worker's part of a trial: it starts the trial's process and relays messages between trial and sweep.

The trial itself runs in a process of its own, forked from one that has imported TensorFlow, as on the machine of the
sweep. So a trial that crashes does not affect the worker, its exit code is known, and the next trial imports nothing.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trainrun.sweep.launchers.protocol import Begun, ClusterTask, Ended, Epoch, Message, Stop
from trainrun.sweep.launchers.resources import Resources, Share
from trainrun.sweep.trial import Trial
from trainrun.util import subprocesses

if TYPE_CHECKING:
    from trainrun.sweep.launchers.local import Pool

POLL_INTERVAL_S = 0.2  # for requests of the sweep


class Channel(Protocol):
    """The worker's end of the channel to the sweep."""

    def say(self, message: Message, answered: bool = False) -> str | None:
        """Send a message; return the answer, if there is to be one."""

    def order(self) -> Stop | None:
        """Return the sweep's request to end the trial, or None; called often."""


class Mirror(Protocol):
    """Copies a trial's files to the sweep's directory."""

    def epoch(self) -> None:
        """Copy the journal, after each epoch."""

    def look(self) -> None:
        """Copy files that may have changed; called often."""

    def end(self) -> None:
        """Copy everything."""


class InPlace:
    """A mirror that copies nothing: the trial writes into the sweep's directory."""

    def epoch(self) -> None:
        """Do nothing."""

    look = end = epoch


def attend(task: ClusterTask, run_dir: Path, channel: Channel, mirror: Mirror | None = None) -> Ended:
    """Run a trial to its end; return how it has ended, which the caller sends to the sweep.

    Args:
        task: of the sweep.
        run_dir: where the trial is to write, on this machine.
        channel: to the sweep.
        mirror: None: the sweep sees `run_dir`.
    """

    mirror, number, asks = mirror or InPlace(), task.trial.number, task.trial.asks
    sys.path[:0] = [p for p in task.path if p not in sys.path]
    trial = Trial(number, list(task.trial.overrides), [], run_dir, task.trial.config)

    def on_epoch(trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        mirror.epoch()
        return channel.say(Epoch(number, epoch, dict(metrics), last), asks)

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
            pool.close()  # the device is free for another worker now
    mirror.end()
    return Ended(number, trial.status, trial.reason, trial.seconds)


@functools.lru_cache(maxsize=1)  # the process of the trial before may have compiled the program
def _pool(
    share: Share,
    plugins: tuple[str, ...],
    command: tuple[str, ...],
    trial_timeout: float | None,
    grace: float,
) -> Pool:
    """Return the pool that runs trials with these settings, one at a time."""
    from trainrun.sweep.launchers.local import Pool

    gpus = [] if share.gpu is None else [share.gpu]
    return Pool(Resources(1, share.threads, gpus, share.per_gpu), plugins, command, trial_timeout, grace)


def warm() -> None:
    """Start the process from which trials are forked."""
    subprocesses.fork_server()
