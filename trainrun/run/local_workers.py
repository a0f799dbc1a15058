"""`hardware.local_workers=N`: the workers of a run as processes of this machine, to try out a multi-worker run.

TF_CONFIG holds the place of each worker in the cluster. The chief writes to the terminal and to the run's directory; the
others write a log below `workers/`. A worker sends its error through a pipe, as JSON. The worker processes run
`trainrun.run.local_worker_main`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from trainrun.checkpoint.resume_point import Resume
from trainrun.errors import Problem, TrainingError, UserError
from trainrun.hardware._cluster import FIRST_PORT, cluster
from trainrun.ui import console
from trainrun.util import subprocesses
from trainrun.util.interrupt import Interrupted, StopRequest

FOLDER = "workers"
WORKER_VARIABLE = "TRAINRUN_WORKER"  # environment variable of the worker processes: the worker's index
GRACE_S = 15  # for a worker to close its record
POLL_INTERVAL_S = 0.2  # between two checks of the workers


def requested(config: Mapping[str, Any]) -> bool:
    """Return whether this run has to start workers: it is configured, and this process is not a worker itself."""
    return bool(config["hardware"].get("local_workers")) and WORKER_VARIABLE not in os.environ


def records(config: Mapping[str, Any]) -> bool:
    """Return whether the run's record is this process's: it is no worker of another that has it, nor of another chief."""
    if WORKER_VARIABLE in os.environ:
        return False
    hardware = config["hardware"]
    if hardware["name"] != "multi_worker" or hardware.get("local_workers"):
        return True
    return cluster(
        hardware.get("workers"), hardware.get("index"), os.environ, hardware.get("port", FIRST_PORT)
    ).chief


class WorkerLost(TrainingError):
    """A worker was killed, and not by the user; a new group of workers may continue from its checkpoint."""


def run(
    config: Mapping[str, Any],
    run_dir: Path,
    overrides: Sequence[str],
    command: Sequence[str],
    resume: Resume | None = None,
) -> None:
    """Start the workers and wait for them; if one is killed, start all of them again from the last checkpoint.

    Args:
        config: resolved and checked.
        run_dir: the chief's.
        overrides, command, resume: see `runner.run`.

    Raises:
        UserError, TrainingError, Interrupted: the error of the chief, or of the first worker to fail.
    """
    policy = config["failure"]
    retries = policy["retries"] if policy["lost"] == "retry" else 0
    for retry in range(1, retries + 1):
        try:
            return _run_group(config, run_dir, overrides, command, resume)
        except WorkerLost as lost:
            console.warn(f"{lost}\nRestarting from the last checkpoint (retry {retry} of {retries})")
            because = {
                "failure": "lost",
                "error": str(lost),
                "answer": "all workers from the last checkpoint",
            }
            resume = replace(resume or Resume(run_dir), because=because)
    return _run_group(config, run_dir, overrides, command, resume)


def _run_group(
    config: Mapping[str, Any],
    run_dir: Path,
    overrides: Sequence[str],
    command: Sequence[str],
    resume: Resume | None,
) -> None:
    """Start the workers and wait for them; see `run`."""
    # Workers notice a lost worker by themselves within `silence`; those that do not are killed after `patience`.
    count, patience = config["hardware"]["local_workers"], config["hardware"]["silence"] + GRACE_S
    request = {
        "config": config,
        "overrides": list(overrides),
        "command": list(command),
        "parent": os.getpid(),
    }
    if resume is not None:
        request["resume"] = {**asdict(resume), "run_dir": str(resume.run_dir)}
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    with ExitStack() as stack, StopRequest(console.note, console.error).on_signals():
        workers: list[_Worker] = []
        stack.callback(lambda: [w.end() for w in workers])
        for index in range(count):
            folder = run_dir if index == 0 else run_dir / FOLDER / str(index)
            folder.mkdir(parents=True, exist_ok=True)
            workers.append(_Worker(index, addresses, folder, request))
        _wait(workers, patience)


def _wait(workers: list[_Worker], patience: float) -> None:
    """Wait until all workers have ended, at most `patience` seconds after the first failure."""
    failed: _Worker | None = None
    until = float("inf")
    while any(w.process.poll() is None for w in workers) and time.monotonic() < until:
        time.sleep(POLL_INTERVAL_S)
        if failed is None and (failures := [w for w in workers if w.process.poll()]):
            failed, until = failures[0], time.monotonic() + patience
    failures = [w for w in workers if w.process.poll()]
    # If one of them was killed, that is why the others stopped.
    failed = next(
        (w for w in failures if w.process.returncode < 0), failed or (failures[0] if failures else None)
    )
    if failed is not None:
        for worker in workers:
            worker.end()
        raise failed.reason(workers)


class _Worker:
    """One worker process.

    Args:
        index: 0 is the chief.
        addresses: of all workers.
        folder: directory of its `run.log`.
        request: config, overrides and command.
    """

    def __init__(self, index: int, addresses: Sequence[str], folder: Path, request: Mapping[str, Any]):
        self.index, self.folder = index, folder
        task = {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}}
        read, write = os.pipe()
        with ExitStack() as stack:
            stack.callback(os.close, write)
            quiet = None if index == 0 else stack.enter_context(open(folder / "run.log", "ab"))
            self.process = subprocesses.start(
                "trainrun.run.local_worker_main",
                str(folder),
                str(write),
                path=sys.path,
                environment={"TF_CONFIG": json.dumps(task), WORKER_VARIABLE: str(index)},
                own_session=False,  # Ctrl-C reaches the workers, too
                stdin=subprocess.PIPE,
                stdout=quiet,
                stderr=quiet,
                pass_fds=(write,),
                text=True,
            )
        self._read = read
        with self.process.stdin as pipe:
            pipe.write(json.dumps(request))

    def end(self) -> None:
        """Stop the process: SIGTERM first, SIGKILL after ten seconds."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def reason(self, workers: Sequence[_Worker]) -> BaseException:
        """Return the exception for the end of this worker."""
        code = self.process.returncode
        with open(self._read, encoding="utf-8") as pipe:
            report = json.loads(pipe.read() or "{}")
        if report.get("problems"):
            return UserError([Problem(key, message) for key, message in report["problems"]])
        if code - 128 in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stop = Interrupted(code - 128)
            stop.saved = workers[0].folder
            return stop
        name = f"worker {self.index + 1} of {len(workers)}"
        if code < 0:
            by_request = -code in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            return (TrainingError if by_request else WorkerLost)(
                f"{name} was killed by {signal.Signals(-code).name}; the others have stopped. "
                f"The checkpoints are in {workers[0].folder}; its log is {self.folder / 'run.log'}"
            )
        message = (
            report.get("message") or f"it ended with exit code {code}; its log is {self.folder / 'run.log'}"
        )
        return TrainingError(message if self.index == 0 else f"{name}: {message}")


def _free_ports(count: int) -> list[int]:
    """Return unused ports of the loopback interface; all stay bound until all are chosen, so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return [held.getsockname()[1] for held in sockets]
