"""`python -m trainrun.tracking.delivery.service PID`: the process that delivers journals to MLflow, and looks after their runs.

A training process starts one for all of its runs and tells it of each through its standard input, a JSON object a
line (`courier.py`); the address of the tracking store goes that way, too, because everybody can read a process'
arguments. What it learns comes back through its standard output. It never imports TensorFlow, has a session of its
own, so that Ctrl-C in the terminal does not reach it, and gives way to whoever else wants the processor.

When the training process is gone, a run without an end gets one, KILLED, and what is left is delivered within the
`timeout` of the run. Then this process ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from trainrun.tracking import status
from trainrun.tracking.delivery import liveness
from trainrun.tracking.delivery.delivery import Job
from trainrun.tracking.delivery.replay import Backoff
from trainrun.tracking.mlflow.store import import_quietly

LOOK = 1.0  # seconds between two looks at whether the training process lives
UNKNOWN = 30.0  # seconds for a run of which nothing was said
NICE = 10  # added to the process' nice value: the training goes first on the processor
GRACE = 5.0  # seconds beyond the last moment for a request that is under way


class Service:
    """Read what the training process says, deliver, and notice when it is gone.

    Args:
        listen: file descriptor of what it says.
        answer: file descriptor of what it is told.
        parent: the number of the training process.
    """

    def __init__(self, listen: int, answer: int, parent: int):
        self.began = time.time()
        self.jobs: dict[str, Job] = {}
        self.live = 0  # of them have not ended
        self.backoffs: dict[str, Backoff] = {}
        self.warned: set[str] = set()  # addresses of which a line was said: one is enough
        self._listen, self._answer = listen, answer
        self.parent = parent
        self._oom = liveness.oom_kills()
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._closed = threading.Event()  # no more runs will come
        self._orphaned = threading.Event()
        self._last_moment = float("inf")
        self._watchdog: threading.Timer | None = None

    def run(self) -> None:
        """Serve until there is nothing more to do, or no more time."""
        threading.Thread(target=self._hear, daemon=True).start()
        while True:
            # Before the messages: the last of them came before this.
            gone, closed = self.orphaned, self._closed.is_set()
            self._take_messages()
            self.live = sum(not job.over for job in self.jobs.values())
            for job in list(self.jobs.values()):
                self._work(job)
                self._take_messages(wait=False)
                # With hundreds of runs a round takes a minute: who is waited for does not.
                for other in [j for j in self.jobs.values() if j.waited_for]:
                    self._work(other)
            self.jobs = {name: job for name, job in self.jobs.items() if not job.finished}
            if (closed or gone) and not self.jobs:
                return
            if gone and (
                time.monotonic() >= self._last_moment or all(j.given_up for j in self.jobs.values())
            ):
                return

    @staticmethod
    def _work(job: Job) -> None:
        if job.finished or job.remaining > 0:
            return
        try:
            job.work()
        except Exception as error:  # a log that cannot be written, say: no reason to leave the other runs
            job.failed(error)

    def tell(self, run_dir: Path, **news: Any) -> None:
        """Send something to the training process; it may be gone."""
        line = json.dumps({"run": str(run_dir), **news}) + "\n"
        with contextlib.suppress(OSError):
            os.write(self._answer, line.encode())

    def _take_messages(self, wait: bool = True) -> None:
        wait = wait and (bool(self.jobs) or not self._closed.is_set())  # else there is nothing to come
        patience = min((job.remaining for job in self.jobs.values()), default=None) if wait else 0
        if wait and (self.orphaned or patience == math.inf):
            patience = 0.2 if patience is None else min(patience, 0.2)
        while True:
            try:
                told = self._inbox.get(timeout=patience) if patience != 0 else self._inbox.get_nowait()
            except queue.Empty:
                return
            patience = 0
            self._hear_one(told)

    def _hear_one(self, told: dict[str, Any]) -> None:
        if "follow" in told:
            there = self.jobs.get(told["follow"])
            # Of a run that begins again before its former end is delivered, the one who has its lock reads on.
            if there is None or there.finished or not there.held:
                self.jobs[told["follow"]] = Job(self, told)
            if self.orphaned:
                self._set_last_moment()  # once more: its own patience counts
            self.tell(told["follow"], following=True)
        elif "prepare" in told:
            with contextlib.suppress(Exception):  # the first run that is to be delivered says it
                import_quietly()
        elif (job := self.jobs.get(told.get("over", ""))) is not None:
            job.end()
        elif (job := self.jobs.get(told.get("hurry", ""))) is not None:
            job.hurry()
        elif (job := self.jobs.get(told.get("given_up", ""))) is not None:
            job.given_up = True
            job.backoff.relax()

    def _hear(self) -> None:
        """The thread that reads, and looks whether the training process lives."""
        rest = b""
        while True:
            lives = os.getppid() == self.parent
            if not self._closed.is_set() and select.select([self._listen], [], [], LOOK if lives else 0)[0]:
                data = os.read(self._listen, 65536)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError):
                        self._inbox.put(json.loads(line))
                if not data:
                    self._closed.set()
                    self._inbox.put({})
            elif not lives:  # and nothing is left to be read
                break
            elif self._closed.is_set():
                time.sleep(LOOK / 5)
        self._end_of_trainer()

    def _end_of_trainer(self) -> None:
        """Write the end of the runs that it cannot write any more; no request that hangs delays this."""
        self._orphaned.set()
        self._set_last_moment()
        for job in list(self.jobs.values()):
            if not job.finished:
                job.settle()
            job.hurry()
        self._inbox.put({})

    @property
    def orphaned(self) -> bool:
        """Whether the training process is gone."""
        return self._orphaned.is_set()

    def verdict(self) -> str:
        """Return why a run has no end."""
        killed = self._oom is not None and (liveness.oom_kills() or 0) > self._oom
        return status.OUT_OF_MEMORY if killed else status.WORDLESS

    def _set_last_moment(self) -> None:
        """Bound the time that is left."""
        patience = max((job.timeout for job in self.jobs.values()), default=UNKNOWN)
        self._last_moment = time.monotonic() + patience
        # A request that hangs is not waited for: what it was about is sent again by `trainrun sync`.
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = threading.Timer(patience + GRACE, os._exit, [0])
        self._watchdog.daemon = True
        self._watchdog.start()


def main() -> None:
    """Be the delivery process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # They are meant for the training process; when that ends, this one soon does, too.
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    listen, answer = os.dup(0), os.dup(1)
    os.set_blocking(answer, False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # whatever a library prints is not for the training process' reader
        os.dup2(nowhere, standard)
    Service(listen, answer, int(sys.argv[1])).run()
    # At once: threads of libraries may still wait for a server.
    os._exit(0)


if __name__ == "__main__":
    main()
