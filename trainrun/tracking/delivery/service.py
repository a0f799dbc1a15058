"""`python -m trainrun.tracking.delivery.service PID`: the process that delivers journals to trackers.

A training process starts one for all of its runs and sends it messages about them through standard input, one JSON object a line
(`client.py`). Tracker addresses are sent that way, too, because a process' arguments are public. Reports are returned through
standard output. The process never imports TensorFlow, runs at a low priority, and has a session of its own, so that Ctrl-C in the
terminal does not reach it.

When the training process dies, a run without an end record gets one, KILLED, and its remaining records are delivered within its
`timeout`, counted from the last one that a tracker took. Then this process exits.
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
from trainrun.tracking.delivery.tracker_delivery import prepare
from trainrun.util import liveness

POLL_INTERVAL_S = 1.0  # between two checks whether the training process lives
DEFAULT_TIMEOUT_S = 30.0  # of a service without a run
NICE = 10  # added to the process' nice value, so that training has priority
GRACE_S = 5.0  # after the deadline, for a request in flight


class Service:
    """Read the training process' messages, deliver, and detect its death.

    Args:
        listen: file descriptor of its messages.
        answer: file descriptor of the reports to it.
        parent: its process id.
    """

    def __init__(self, listen: int, answer: int, parent: int):
        self.began = time.time()
        self.runs: dict[str, Delivery] = {}
        self.live = 0  # number of runs that have not ended
        self.backoffs: dict[tuple[str, str], Backoff] = {}  # of each tracker and address
        self._file_threads: dict[tuple[str, str], ThreadPoolExecutor] = {}
        self.warned: set[str] = set()  # addresses that the user was warned about
        self._listen, self._answer = listen, answer
        self.parent = parent
        self._oom = liveness.oom_kills()
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._closed = threading.Event()  # no more runs will come
        self._orphaned = threading.Event()
        self._deadline = float("inf")
        self._watchdog: threading.Timer | None = None

    def run(self) -> None:
        """Serve until all runs are delivered, or the deadline after the training process' death is reached."""
        threading.Thread(target=self._listen_to_parent, daemon=True).start()
        while True:
            # Before the messages are read: if this holds, all messages have arrived.
            gone, closed = self.orphaned, self._closed.is_set()
            self._take_messages()
            self.live = sum(not run.over for run in self.runs.values())
            for run in list(self.runs.values()):
                self._work(run)
                self._take_messages(wait=False)
                # With hundreds of runs a round takes a minute: deliver those that the user waits for in between.
                for other in [j for j in self.runs.values() if j.waited_for]:
                    self._work(other)
            self.runs = {name: run for name, run in self.runs.items() if not run.finished}
            if (closed or gone) and not self.runs:
                return
            if gone and (time.monotonic() >= self._deadline or all(j.abandoned for j in self.runs.values())):
                self._give_up_alerts()
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
            with contextlib.suppress(OSError):  # run.log cannot be written: go on with the other runs
                run.work()

    def report(self, run_dir: Path, **fields: Any) -> None:
        """Send a report to the training process, which may have died."""
        line = json.dumps({"run": str(run_dir), **fields}) + "\n"
        with contextlib.suppress(OSError):
            os.write(self._answer, line.encode())

    def _take_messages(self, wait: bool = True) -> None:
        wait = wait and (bool(self.runs) or not self._closed.is_set())  # else no message can arrive
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
            # If a run is resumed before its former end is delivered, the delivery that holds its lock continues.
            if before is None or before.finished or not before.held:
                self.runs[message["follow"]] = Delivery(self, message)
            if self.orphaned:
                self._set_deadline()  # again, with the timeout of this run
            self.report(message["follow"], following=True)
        elif "prepare" in message:
            for tracker, uri in message["prepare"]:
                with contextlib.suppress(Exception):  # the first delivery says why
                    prepare(tracker, uri)
        elif (run := self.runs.get(message.get("over", ""))) is not None:
            run.end()
        elif (run := self.runs.get(message.get("hurry", ""))) is not None:
            run.hurry()
        elif (run := self.runs.get(message.get("released", ""))) is not None:
            run.relax()

    def _listen_to_parent(self) -> None:
        """Read messages and check whether the training process lives; runs in a thread of its own."""
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
            elif not lives:  # and all messages are read
                break
            elif self._closed.is_set():
                time.sleep(POLL_INTERVAL_S / 5)
        self._end_of_trainer()

    def _end_of_trainer(self) -> None:
        """Write the end records that the training process can no longer write; a hanging request does not delay this."""
        self._orphaned.set()
        self._set_deadline()
        for run in list(self.runs.values()):
            if not run.finished:
                run.settle()
            run.hurry()
        self.wake()

    @property
    def orphaned(self) -> bool:
        """Whether the training process has died."""
        return self._orphaned.is_set()

    def verdict(self) -> str:
        """Return the reason for the end record of a killed run."""
        killed = self._oom is not None and (liveness.oom_kills() or 0) > self._oom
        return status.OUT_OF_MEMORY if killed else status.NO_FINAL_STATUS

    def progressed(self) -> None:
        """Set the deadline anew: a tracker has taken records."""
        if self.orphaned:
            self._set_deadline()

    def _set_deadline(self) -> None:
        """Set the deadline for the remaining deliveries."""
        patience = max((run.timeout for run in self.runs.values()), default=DEFAULT_TIMEOUT_S)
        self._deadline = time.monotonic() + patience
        # A hanging request is abandoned: `trainrun sync` sends its records again.
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = threading.Timer(patience + GRACE_S, self._abandon)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _give_up_alerts(self) -> None:
        for run in list(self.runs.values()):
            run.give_up_alerts("no time was left")

    def _abandon(self) -> None:
        try:
            self._give_up_alerts()
        finally:
            os._exit(0)


def main() -> None:
    """Run the delivery process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Signals are meant for the training process; this process exits soon after it.
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    listen, answer = os.dup(0), os.dup(1)
    os.set_blocking(answer, False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # output of libraries must not mix with the reports
        os.dup2(nowhere, standard)
    Service(listen, answer, int(sys.argv[1])).run()
    # Without Python's cleanup: threads of libraries may still be waiting for a server.
    os._exit(0)


if __name__ == "__main__":
    main()
