"""`python -m trainrun.tracking.delivery.service PID`: the process that delivers journals to trackers, and looks after their runs.

A training process starts one for all of its runs and names each through its standard input, a JSON object a line
(`client.py`); the addresses of trackers go that way, too, because a process' arguments are public. Its reports come back through its
standard output. It never imports TensorFlow, has a session of its own, so that Ctrl-C in the terminal does not reach it,
and runs at a low priority.

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trainrun.tracking import status
from trainrun.tracking.delivery.backoff import Backoff
from trainrun.tracking.delivery.delivery import Delivery
from trainrun.util import liveness

POLL_INTERVAL_S = 1.0  # between two looks at whether the training process lives
DEFAULT_TIMEOUT_S = 30.0  # of a service without a run
NICE = 10  # added to the process' nice value: the training goes first on the processor
GRACE_S = 5.0  # beyond the last moment, for a request that is under way


class Service:
    """Read the training process' messages, deliver, and notice when it is gone.

    Args:
        listen: file descriptor of its messages.
        answer: file descriptor of the reports to it.
        parent: its process id.
    """

    def __init__(self, listen: int, answer: int, parent: int):
        self.began = time.time()
        self.runs: dict[str, Delivery] = {}
        self.live = 0  # of them have not ended
        self.backoffs: dict[tuple[str, str], Backoff] = {}  # of each tracker and address
        self._file_threads: dict[tuple[str, str], ThreadPoolExecutor] = {}
        self.warned: set[str] = set()  # addresses that one line of warning was printed for
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
            self.live = sum(not run.over for run in self.runs.values())
            for run in list(self.runs.values()):
                self._work(run)
                self._take_messages(wait=False)
                # With hundreds of runs a round takes a minute: those that the user waits for go between.
                for other in [j for j in self.runs.values() if j.waited_for]:
                    self._work(other)
            self.runs = {name: run for name, run in self.runs.items() if not run.finished}
            if (closed or gone) and not self.runs:
                return
            if gone and (
                time.monotonic() >= self._last_moment or all(j.released for j in self.runs.values())
            ):
                return

    def file_thread(self, tracker: str, uri: str) -> ThreadPoolExecutor:
        """Return the thread that sends files to an address: a store that hangs delays those of other runs, and nothing else."""
        return self._file_threads.setdefault((tracker, uri), ThreadPoolExecutor(1))

    def wake(self) -> None:
        """Have the next round begin now, from any thread."""
        self._inbox.put({})

    @staticmethod
    def _work(run: Delivery) -> None:
        if not run.finished and run.remaining <= 0:
            with contextlib.suppress(
                OSError
            ):  # a log that cannot be written: no reason to leave the other runs
                run.work()

    def report(self, run_dir: Path, **fields: Any) -> None:
        """Send something to the training process; it may be gone."""
        line = json.dumps({"run": str(run_dir), **fields}) + "\n"
        with contextlib.suppress(OSError):
            os.write(self._answer, line.encode())

    def _take_messages(self, wait: bool = True) -> None:
        wait = wait and (bool(self.runs) or not self._closed.is_set())  # else there is nothing to come
        patience = min((run.remaining for run in self.runs.values()), default=None) if wait else 0
        if wait and (self.orphaned or patience == math.inf):
            patience = 0.2 if patience is None else min(patience, 0.2)
        while True:
            try:
                message = self._inbox.get(timeout=patience) if patience != 0 else self._inbox.get_nowait()
            except queue.Empty:
                return
            patience = 0
            self.take(message)

    def take(self, message: dict[str, Any]) -> None:
        """Act on one message of the training process."""
        if "follow" in message:
            before = self.runs.get(message["follow"])
            # A run that begins again before its former end is delivered: the delivery that has its lock reads on.
            if before is None or before.finished or not before.held:
                self.runs[message["follow"]] = Delivery(self, message)
            if self.orphaned:
                self._set_last_moment()  # once more: the run's own timeout counts
            self.report(message["follow"], following=True)
        elif (run := self.runs.get(message.get("over", ""))) is not None:
            run.end()
        elif (run := self.runs.get(message.get("hurry", ""))) is not None:
            run.hurry()
        elif (run := self.runs.get(message.get("released", ""))) is not None:
            run.relax()

    def _hear(self) -> None:
        """The thread that reads, and looks whether the training process lives."""
        rest = b""
        while True:
            lives = os.getppid() == self.parent
            if (
                not self._closed.is_set()
                and select.select([self._listen], [], [], POLL_INTERVAL_S if lives else 0)[0]
            ):
                data = os.read(self._listen, 65536)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError):
                        self._inbox.put(json.loads(line))
                if not data:
                    self._closed.set()
                    self.wake()
            elif not lives:  # and nothing is left to be read
                break
            elif self._closed.is_set():
                time.sleep(POLL_INTERVAL_S / 5)
        self._end_of_trainer()

    def _end_of_trainer(self) -> None:
        """Write the end of the runs that it cannot write any more; no request that hangs delays this."""
        self._orphaned.set()
        self._set_last_moment()
        for run in list(self.runs.values()):
            if not run.finished:
                run.settle()
            run.hurry()
        self.wake()

    @property
    def orphaned(self) -> bool:
        """Whether the training process is gone."""
        return self._orphaned.is_set()

    def verdict(self) -> str:
        """Return why a run has no end."""
        killed = self._oom is not None and (liveness.oom_kills() or 0) > self._oom
        return status.OUT_OF_MEMORY if killed else status.NO_FINAL_STATUS

    def _set_last_moment(self) -> None:
        """Bound the time that is left."""
        patience = max((run.timeout for run in self.runs.values()), default=DEFAULT_TIMEOUT_S)
        self._last_moment = time.monotonic() + patience
        # A request that hangs is not waited for: what it was about is sent again by `trainrun sync`.
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = threading.Timer(patience + GRACE_S, os._exit, [0])
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
