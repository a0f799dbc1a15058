"""The processes of `hydra/launcher=local`: one for each trial, or for several that share a compiled program."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from typing import Any

from trainrun.sweep.launchers import trial_process
from trainrun.sweep.launchers.resources import Share
from trainrun.sweep.trial import Trial

PRELOAD = "trainrun.sweep.launchers.preload"
# TensorFlow keeps some 6 MB of each trial in a process for ever.
MOST = 25
# Seconds that the fork server may take to begin a trial, beyond the trial's own time.
IMPORT = 120.0
# What may differ between trials that share a program: it is in variables, or no part of it. A hint only: the process
# looks closely (`trainrun.trainer.program_cache`).
DIFFER = ("seed", "learning_rate", "epochs")
NOT_OF_THE_PROGRAM = (
    "name",
    "sweep",
    "seeds",
    "tracking",
    "artifacts",
    "checkpoint",
)
TRAINERS = ("fit", "custom")
HARDWARE = ("auto", "cpu")
# Callbacks that change nothing but variables.
HARMLESS = (
    "early_stopping",
    "EarlyStopping",
    "CSVLogger",
    "ReduceLROnPlateau",
    "ModelCheckpoint",
    "TerminateOnNaN",
    "learning_rate_logger",
    "time_limit",
    "stop_at",
)


def fork_server() -> Any:
    """Return the context by which processes are forked from one that has imported TensorFlow; it is begun here."""
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    forkserver.ensure_running()
    return context


class Worker:
    """A process that runs trials, one after another, and what it is at.

    Args:
        context: of multiprocessing, by which it is forked.
        share: of the machine.
        key: of the program that its trials share; None: it runs one trial only.
    """

    def __init__(self, context: Any, share: Share, key: str | None):
        self.share, self.key, self.served = share, key, 0
        self._context = context
        self.process: Any = None
        self.pipe: connection.Connection | None = None
        self.trial: Trial | None = None
        self._clear()

    def _clear(self) -> None:
        self.told: dict[str, Any] | None = None  # how its trial has ended
        self.stop_by: float | None = None  # when to kill it
        self.reason: str | None = None
        self.began, self.begun = time.monotonic(), False

    def hear(self) -> None:
        """The trial has begun: its time counts from now; the first of all waits for the import of TensorFlow."""
        self.began, self.begun = time.monotonic(), True

    def start(self, trial: Trial, told: Mapping[str, Any]) -> None:
        """Begin a trial; nothing else runs here.

        Args:
            trial: its directory exists.
            told: see `child.main`.
        """
        self._clear()
        self.trial, self.served = trial, self.served + 1
        told = {
            **told,
            "cwd": os.getcwd(),
            "path": sys.path,
            "environment": {**os.environ, **self.share.environment()},
            "stays": self.key is not None and self.served < MOST,
        }
        if self.process is not None:
            self.pipe.send(told)
            return
        self.pipe, theirs = self._context.Pipe()
        self.process = self._context.Process(target=trial_process.main, args=(told, theirs), daemon=False)
        self.process.start()
        theirs.close()

    @property
    def seconds(self) -> float:
        """Seconds that the trial has taken by now, without what it waited for its process."""
        return time.monotonic() - self.began - (0.0 if self.begun else IMPORT)

    @property
    def over(self) -> bool:
        """Whether its trial has ended."""
        return self.process.exitcode is not None or (self.told or {}).get("stays", False)

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def retire(self) -> None:
        """End the process; no trial runs in it."""
        if self.process.exitcode is None:
            with contextlib.suppress(OSError):
                self.pipe.send(None)
            self.process.join(1.0)
            self.signal(signal.SIGKILL)
            self.process.join()
        self.pipe.close()


def alone(
    config: Mapping[str, Any], plugins: bool, trainers: Sequence[str], hardware: Sequence[str]
) -> str | None:
    """Return why a trial can share nothing that is compiled with others, or None.

    Args:
        config: of a trial, resolved.
        plugins: whether code of the user's own takes part, of which nobody knows what it keeps.
        trainers, hardware: options with which it can.
    """
    trainer, device, tune = config["trainer"], config["hardware"], config["tune"]
    callbacks = {str(c.get("name")) for c in (config["callback"] or {}).values()}
    odd = sorted(callbacks - set(HARMLESS))
    reasons = {
        "plug-ins may keep what nobody knows of": plugins,
        f"trainer={trainer['name']}": trainer["name"] not in trainers,
        "a step of its own": trainer.get("step") is not None,
        "trainer.jit_compile=true": trainer.get("jit_compile") is True,
        "trainer.run_eagerly=true": trainer["run_eagerly"],
        "trainer.accumulate": (trainer.get("accumulate") or 1) != 1,
        f"hardware={device['name']}": device["name"] not in hardware,
        "hardware.virtual_devices": bool(device.get("virtual_devices")),
        "tune": tune.get("batch_size") is not None or tune.get("learning_rate") is not None,
        "profile=true": config["profile"],
        f"callback={','.join(odd)}": odd,
    }
    return next((text for text, holds in reasons.items() if holds), None)


def key(config: Mapping[str, Any], plugins: bool) -> str | None:
    """Return what trials with the same program have in common; None: this one is to have a process of its own.

    Args:
        config: of a trial, resolved.
        plugins: whether code of the user's own takes part, of which nobody knows what it keeps.
    """
    if config["sweep"].get("reuse") == "never" or alone(config, plugins, TRAINERS, HARDWARE) is not None:
        return None
    apart = NOT_OF_THE_PROGRAM
    if config["schedule"]["name"] == "constant":
        apart = (*apart, "schedule")  # its rate is the optimizer's variable
    rest = _rest({k: v for k, v in config.items() if k not in apart})
    return json.dumps(rest, sort_keys=True, default=str)


def _rest(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _rest(v) for k, v in value.items() if k not in DIFFER or isinstance(v, Mapping)}
    return value
