"""The training process' side of delivery: it starts one process, names its runs to it, and waits for nothing.

`deliver.py` is the other side. All runs of a process share one delivery process, as the trials of a sweep do; if that
is killed, the next run starts another.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.state import Target
from trainrun.util import subprocesses

PATIENCE_WITH_FAULTS = 5.0  # seconds to wait for a server of which it is known that it does not answer
# What MLflow and its stores read of the environment: a delivery process that was started with others is no good.
FAMILIES = (
    "MLFLOW_",
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


class News:
    """What the delivery process has told of a run."""

    def __init__(self, warn: Callable[[str], None], target: Target, told: Mapping[str, Any]):
        self.warn, self.target, self.told = warn, target, told
        self.following = self.finished = False
        self.identity: dict[str, str] | None = None
        self.failing: str | None = None
        self.sent = -1  # records that are delivered


class Courier:
    """A delivery process, and what it has told."""

    def __init__(self) -> None:
        self.pid, self.environment = os.getpid(), _environment()
        self._news: dict[str, News] = {}
        self._changed = threading.Condition()
        self._process = subprocesses.begin("trainrun.tracking.delivery.service", str(self.pid), bufsize=0)
        os.set_blocking(self._process.stdin.fileno(), False)
        threading.Thread(target=self._listen, name="trainrun-courier", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process runs and is this process' own (not that of one that has forked us)."""
        return self.pid == os.getpid() and self._process.poll() is None

    def follow(
        self, run_dir: Path, target: Target, interval: float, timeout: float, warn: Callable[[str], None]
    ) -> None:
        """Have a run delivered.

        Args:
            run_dir: its directory.
            target: where to.
            interval: seconds that records may gather.
            timeout: seconds that what is left may take when this process is gone.
            warn: says one line to the user.
        """
        told = {"follow": str(run_dir), **target._asdict(), "interval": interval, "timeout": timeout}
        with self._changed:
            self._news[str(run_dir)] = News(warn, target, told)
        self._say(told)

    def prepare(self) -> None:
        """Say that there will be runs: what delivers them is imported meanwhile."""
        self._say({"prepare": True})

    def over(self, run_dir: Path) -> None:
        """Say that a run has ended: nothing more gathers."""
        self._say({"over": str(run_dir)})

    def hurry(self, run_dir: Path) -> None:
        """Say that somebody waits."""
        self._say({"hurry": str(run_dir)})

    def give_up(self, run_dir: Path) -> None:
        """Say that nobody waits any more."""
        self._say({"given_up": str(run_dir)})

    def identity(self, run_dir: Path, timeout: float) -> dict[str, str] | None:
        """Return `{tracking_uri, experiment_id, run_id}`, waiting at most `timeout` seconds for it."""
        news = self._news[str(run_dir)]
        self._wait(lambda: bool(news.identity or news.failing or news.finished), timeout)
        return news.identity

    def finish(self, run_dir: Path, timeout: float) -> bool:
        """Wait until a run that has ended is delivered, at most `timeout` seconds; return whether it is done with.

        A run that was named to an earlier process, which was killed, is not.
        """
        if (news := self._news.get(str(run_dir))) is None:
            return False
        self.hurry(run_dir)
        until = time.monotonic() + timeout
        while not news.finished and self.alive and (left := until - time.monotonic()) > 0:
            sent, failing = news.sent, bool(news.failing)
            # Of a server of which it is known that it does not answer, no longer than something moves.
            limit = min(left, PATIENCE_WITH_FAULTS) if failing else left
            self._wait(partial(_moved, news, sent, failing), limit)
            if failing and not _moved(news, sent, failing):
                break
        return news.finished

    def finished(self, run_dir: Path) -> bool:
        """Whether the process is done with a run: up to the end that it has found."""
        news = self._news.get(str(run_dir))
        return news is not None and news.finished

    def failing(self, run_dir: Path) -> bool:
        """Whether the server takes nothing of a run now."""
        news = self._news.get(str(run_dir))
        return news is None or bool(news.failing)

    def forget(self, run_dir: Path) -> None:
        """Keep nothing of a run that nobody will ask for any more."""
        self._news.pop(str(run_dir), None)

    def following(self, run_dir: Path) -> bool:
        """Whether the process has heard of a run."""
        return self._news[str(run_dir)].following

    def _wait(self, condition: Callable[[], bool], timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: condition() or not self.alive, max(timeout, 0.0))

    def _say(self, told: Mapping[str, Any]) -> None:
        # A process that is dead, or stopped with a full pipe: the run goes on, its end says what was not sent.
        with self._changed, contextlib.suppress(OSError, ValueError):
            os.write(self._process.stdin.fileno(), (json.dumps(told) + "\n").encode())

    def close(self) -> None:
        """Say that no more runs will come; what is under way is delivered."""
        with self._changed, contextlib.suppress(OSError):
            self._process.stdin.close()

    def _listen(self) -> None:
        """The thread that reads what the process tells; it sleeps until there is something."""
        rest = b""
        # One buffer for all: of those that a read makes, and cuts to what has come, a megabyte of holes was left by 1,000 runs.
        buffer = memoryview(bytearray(65536))
        # Unbuffered: a buffer's lock that is held here would be in the way when Python ends.
        with self._process.stdout as pipe:
            while size := pipe.readinto(buffer):
                *lines, rest = (rest + buffer[:size]).split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError, LookupError, TypeError):
                        told = json.loads(line)
                        self._take(self._news[told["run"]], told)
        self._process.wait()
        self.close()
        with self._changed:
            self._changed.notify_all()

    def _take(self, news: News, told: Mapping[str, Any]) -> None:
        with self._changed:
            news.following = True
            news.finished = told.get("finished", news.finished)
            news.identity = told.get("identity", news.identity)
            news.failing = told.get("failing", news.failing)
            news.sent = told.get("next", news.sent)
            self._changed.notify_all()
        if "warn" in told:
            news.warn(told["warn"])


def _moved(news: News, sent: int, failing: bool) -> bool:
    return news.finished or news.sent != sent or bool(news.failing) != failing


_courier: Courier | None = None
delegated = False  # whether another process has this one's runs delivered


def delegate() -> None:
    """Have this process' runs delivered by the one that has started it, and by nobody else."""
    global delegated
    delegated = True


def courier() -> Courier:
    """Return this process' delivery process; the first call starts it.

    Raises:
        OSError: it cannot be started.
    """
    global _courier
    if _courier is None or not _courier.alive or _courier.environment != _environment():
        if _courier is not None and _courier.pid == os.getpid():
            _courier.close()
        _courier = Courier()
    return _courier


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k.upper().startswith(FAMILIES)}


def unsent(run_dir: Path, target: Target, total: int) -> int:
    """Return how many of `total` records a target does not have, by the file that the delivery process keeps."""
    return state.unsent(state.find(state.read(run_dir), target.address, target.experiment), total)
