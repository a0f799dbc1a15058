"""Client of the delivery process: start one, and send it messages about runs without blocking.

`service.py` is the other side. All runs of a training process share one delivery process, as the trials of a sweep do; if it
is killed, the next run starts another.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.tracking import trackers
from trainrun.tracking.alerts import AlertSettings
from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.followed import Followed
from trainrun.tracking.delivery.state import Target
from trainrun.util import grants, standby, subprocesses
from trainrun.util.standby import Standby

SERVICE = "trainrun.tracking.delivery.service"
FAILING_TIMEOUT_S = 5.0  # wait for a server that does not answer
# Prefixes of the environment variables that trackers and their stores read, besides the tracker's name; if one has changed, a new
# delivery process is started.
FAMILIES = (
    grants.ADDRESSES,
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "DATABRICKS_",
    "HTTP_",
    "HTTPS_",
    "NO_PROXY",
    "REQUESTS_",
    "PG",
)


class Courier:
    """A delivery process and its reports.

    Args:
        credentials: whether the process gets those of the user's environment. It has several threads, so that it cannot give them
            to one address and withhold them from another.
    """

    def __init__(self, credentials: bool) -> None:
        self.pid, self.environment, self.credentials = os.getpid(), _environment(), credentials
        self._withheld: set[str] = set()  # what the user was told of credentials that are not sent
        self._runs: dict[str, Followed] = {}
        self._changed = threading.Condition()
        self._process = _process(str(self.pid), None if credentials else grants.without_credentials())
        os.set_blocking(self._process.stdin.fileno(), False)
        threading.Thread(target=self._listen, name="trainrun-courier", daemon=True).start()

    @property
    def process_id(self) -> int:
        """The id of the delivery process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the delivery process runs and is a child of this process, not of the one that forked it."""
        return self.pid == os.getpid() and self._process.poll() is None

    def follow(
        self,
        run_dir: Path,
        targets: Sequence[Target],
        interval: float,
        timeout: float,
        warn: Callable[[str], None],
        alerts: AlertSettings | None = None,
    ) -> None:
        """Have a run delivered.

        Args:
            run_dir: its directory.
            targets: trackers and addresses.
            interval: seconds between deliveries.
            timeout: seconds for the remaining records after this process has died.
            warn: prints one line to the user.
            alerts: where to send alerts, or None.
        """
        for withheld in filter(None, map(trackers.withheld, targets)):
            if withheld not in self._withheld:
                self._withheld.add(withheld)
                warn(withheld)
        with self._changed:
            self._runs[str(run_dir)] = Followed(warn, len(targets), alerts is not None)
        where = [target._asdict() for target in targets]
        more = {} if alerts is None else {"alerts": alerts._asdict()}
        self._send(
            {"follow": str(run_dir), "targets": where, "interval": interval, "timeout": timeout, **more}
        )

    def prepare(self, targets: Sequence[Target]) -> None:
        """Have the process import what delivery to some trackers takes, before there is a run."""
        self._send({"prepare": [(target.tracker, target.uri) for target in targets]})

    def over(self, run_dir: Path) -> None:
        """Report that a run has ended: no more records follow."""
        self._send({"over": str(run_dir)})

    def hurry(self, run_dir: Path) -> None:
        """Report that the user waits for a run's delivery."""
        self._send({"hurry": str(run_dir)})

    def release(self, run_dir: Path) -> None:
        """Report that the user no longer waits for the run."""
        self._send({"released": str(run_dir)})

    def identity(self, run_dir: Path, timeout: float) -> dict[str, str] | None:
        """Return `{tracking_uri, experiment_id, run_id}`, waiting at most `timeout` seconds for it."""
        run = self._runs[str(run_dir)]
        self._wait(lambda: bool(run.identity or run.failing or run.finished), timeout)
        return run.identity

    def finish(self, run_dir: Path, timeout: float) -> bool:
        """Wait at most `timeout` seconds until an ended run is delivered, and its alerts are sent; return whether all records are.

        False also for a run that was sent to an earlier delivery process, which was killed.
        """
        if (run := self._runs.get(str(run_dir))) is None:
            return False
        self.hurry(run_dir)
        until = time.monotonic() + timeout
        while not run.finished and self.alive and (left := until - time.monotonic()) > 0:
            sent, failing = run.sent, run.failing
            # Wait for failing servers only as long as there is progress.
            limit = min(left, FAILING_TIMEOUT_S) if failing else left
            self._wait(partial(run.moved, sent, failing), limit)
            if failing and not run.moved(sent, failing):
                break
        return run.delivered

    def alerted(self, run_dir: Path) -> bool:
        """Return whether the alerts of an ended run are sent, or are known not to be."""
        run = self._runs.get(str(run_dir))
        return run is not None and run.alerts.finished

    def finished(self, run_dir: Path) -> bool:
        """Return whether the process has delivered a run up to its end record."""
        run = self._runs.get(str(run_dir))
        return run is not None and run.finished

    def failing(self, run_dir: Path) -> bool:
        """Return whether all trackers of a run are failing."""
        run = self._runs.get(str(run_dir))
        return run is None or run.failing

    def forget(self, run_dir: Path) -> None:
        """Drop the reports of a run that is no longer needed."""
        self._runs.pop(str(run_dir), None)

    def following(self, run_dir: Path) -> bool:
        """Return whether the process has acknowledged a run."""
        return self._runs[str(run_dir)].acknowledged

    def close(self) -> None:
        """Announce that no more runs follow; pending records are still delivered."""
        with self._changed, contextlib.suppress(OSError):
            self._process.stdin.close()

    def _wait(self, condition: Callable[[], bool], timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: condition() or not self.alive, max(timeout, 0.0))

    def _send(self, message: Mapping[str, Any]) -> None:
        # If the process is dead, or stopped with a full pipe, training continues; its end reports the records not sent.
        with self._changed, contextlib.suppress(OSError, ValueError):
            os.write(self._process.stdin.fileno(), (json.dumps(message) + "\n").encode())

    def _listen(self) -> None:
        """Read the process' reports; runs in a thread of its own."""
        rest = b""
        # One buffer for all reads: `read` allocates and shrinks one each time, which fragmented a megabyte in 1,000 runs.
        buffer = memoryview(bytearray(65536))
        # Unbuffered: a buffered pipe's lock, held here, would block Python's shutdown.
        with self._process.stdout as pipe:
            while size := pipe.readinto(buffer):
                *lines, rest = (rest + buffer[:size]).split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError, LookupError, TypeError):
                        message = json.loads(line)
                        self._take(self._runs[message["run"]], message)
        self._process.wait()
        self.close()
        with self._changed:
            self._changed.notify_all()

    def _take(self, run: Followed, message: Mapping[str, Any]) -> None:
        with self._changed:
            run.acknowledged = True
            # A report without a tracker's number concerns all of them; the number after the last tracker is that of the alerts.
            every = [*run.trackers, run.alerts]
            for progress in [every[message["tracker"]]] if "tracker" in message else every:
                progress.finished = message.get("finished", progress.finished)
                progress.identity = message.get("identity", progress.identity)
                progress.failing = message.get("failing", progress.failing)
                progress.sent = message.get("next", progress.sent)
            self._changed.notify_all()
        if "warn" in message:
            run.warn(message["warn"])


def _process(parent: str, base: Mapping[str, str] | None) -> subprocess.Popen | Standby:
    """Start the process; one that waits with mlflow imported takes seconds less to deliver."""
    if (waiting := standby.take()) is not None:
        with contextlib.suppress(OSError):  # it has ended just now
            waiting.begin(SERVICE, [parent], subprocesses.environment_of(base))
            return waiting
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "bufsize": 0}
    return subprocesses.start(SERVICE, parent, base=base, **pipes)


class _Process:
    """Holder of this process' delivery process, and of the one that replaces it after its death."""

    def __init__(self) -> None:
        self._courier: Courier | None = None

    def courier(self, credentials: bool) -> Courier:
        last = self._courier
        usable = last is not None and last.alive and last.credentials == credentials
        if not usable or last.environment != _environment():
            if last is not None and last.pid == os.getpid():
                last.close()
            self._courier = Courier(credentials)
        return self._courier


@functools.cache
def _of_this_process() -> _Process:
    return _Process()


def courier(targets: Sequence[Target] = ()) -> Courier:
    """Return this process' delivery process; the first call starts it.

    Args:
        targets: where it is to deliver a run. One that may not get credentials has all of them withheld.

    Raises:
        OSError: it cannot be started.
    """
    return _of_this_process().courier(all(grants.trusted(target.uri) for target in targets))


def _environment() -> dict[str, str]:
    families = (*FAMILIES, *(f"{name.upper()}_" for name in trackers.names()))
    return {k: v for k, v in os.environ.items() if k.upper().startswith(families)}


def unsent(run_dir: Path, target: Target, total: int) -> int:
    """Return the number of `total` records not delivered to a target, according to `tracking.json`."""
    return state.unsent(state.find(state.read(run_dir), target), total)
