"""The worker's end of the pipe to a sweep on the same machine; for one trial at a time or several."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection

from trainrun.sweep.launchers.protocol import Answer, Begun, Epoch, Message, Stop, TrialTask

# The sweep answers in less than a millisecond, unless the machine is busy or was suspended. The end of the sweep is noticed at
# once.
ANSWER_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.2  # for checking `stopped` while waiting


class PipeChannel:
    """Sends messages to the sweep, and receives its tasks, answers and stops by a thread.

    Args:
        pipe: to the sweep.
        lost: called once, by the thread, when the sweep's process has died.

    Attributes:
        tasks: the trials received; None: no more follow.
        stops: the numbers of the trials to stop; None: all of them, also if the sweep's process has died.
    """

    def __init__(self, pipe: Connection, lost: Callable[[], None] = lambda: None):
        self._pipe, self._lost = pipe, lost
        self._sending = threading.Lock()
        self.tasks: queue.SimpleQueue[TrialTask | None] = queue.SimpleQueue()
        self.stops: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        # For each trial; None in the queue ends the waiting.
        self._answers: defaultdict[int, queue.SimpleQueue[Answer | None]] = defaultdict(queue.SimpleQueue)
        self._owed: defaultdict[int, int] = defaultdict(int)  # answers still to come
        threading.Thread(target=self._receive, daemon=True).start()

    def say(self, message: Message) -> None:
        """Send a message; if the sweep's process has died, do nothing."""
        if isinstance(message, Begun):
            self._answers.pop(message.trial, None)
            self._owed.pop(message.trial, None)
        with contextlib.suppress(OSError), self._sending:
            self._pipe.send(message)

    def ask(self, epoch: Epoch, stopped: Callable[[], bool] = lambda: False) -> str | None:
        """Send an epoch and wait for the answer; return the reason to prune the trial, or None.

        Args:
            epoch: of the trial.
            stopped: returns whether the trial has to end anyway.
        """
        answers, until = self._answers[epoch.trial], time.monotonic() + ANSWER_TIMEOUT_S
        self._owed[epoch.trial] += 1
        self.say(epoch)
        # Each epoch is answered, in order. A late answer belongs to an earlier epoch: its reason to prune still holds, but without
        # a reason it does not answer this epoch.
        while self._owed[epoch.trial] and time.monotonic() < until and not stopped():
            try:
                answer = answers.get(timeout=POLL_INTERVAL_S)
            except queue.Empty:
                continue
            if answer is None:
                return None
            self._owed[epoch.trial] -= 1
            if answer.reason is not None:
                return answer.reason
        return None

    def _receive(self) -> None:
        try:
            while (message := self._pipe.recv()) is not None:
                if isinstance(message, Answer):
                    self._answers[message.trial].put(message)
                elif isinstance(message, Stop):
                    self.stops.put(message.trial)
                    self._release(message.trial)
                else:
                    self.tasks.put(message)
        except (EOFError, OSError):
            self.stops.put(None)
            self._release(None)
            self._lost()
        self.tasks.put(None)

    def _release(self, trial: int | None) -> None:
        """End the waiting of trials for answers."""
        for number, answers in list(self._answers.items()):
            if trial in (None, number):
                answers.put(None)
