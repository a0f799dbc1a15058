"""Runs that are trained together: each is told by its own thread, as if alone; one of them moves at a time.

A run's story (`trainrun.run.runner`) is the same as ever: data, model, callbacks, journal, checkpoints, its end. Only where it
would train or measure for a whole pass it waits, until the others wait, too; then one compiled graph does it for all.
What is the process's own, the log, the fork in the road that a signal takes, changes hands with the turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from trainrun.run import joint_training, progress_channel
from trainrun.ui import console
from trainrun.util import interrupt
from trainrun.vectorized.participant import Member, Request
from trainrun.vectorized.scheduler import Served

# What of the process belongs to the run whose turn it is: (module, attribute, value at the beginning).
OWN: tuple[tuple[Any, str, Any], ...] = (
    (console, "_log", None),
    (progress_channel, "_listener", None),
    (interrupt, "_asked", None),
    (interrupt, "_between_steps", False),
    (interrupt, "_grace", interrupt.GRACE),
)


class Run:
    """One run of the group, and the thread that tells it.

    Args:
        name: of the thread.
        story: does all of it; returns when the run has ended.
        listener: told of each epoch; see `reports.Listener`.
        turned: called when its turn begins.
    """

    def __init__(
        self,
        name: str,
        story: Callable[[], None],
        listener: progress_channel.Listener | None,
        turned: Callable[[], None] = lambda: None,
    ):
        self.request: Request | None = None
        self.answer: Any = None
        self.ended = False
        self.runs: Callable[[], int] = lambda: 1  # how many there are; the group says it
        self._story, self._turned = story, turned
        self._own = {(m, a): value for m, a, value in OWN} | {(progress_channel, "_listener"): listener}
        # Held until the other side lets go of it: as a semaphore of 0, without that one's Python.
        self._mine, self._others = threading.Lock(), threading.Lock()
        self._mine.acquire(), self._others.acquire()
        self._thread = threading.Thread(target=self._tell, name=name, daemon=True)
        self._begun = False

    def turn(self) -> None:
        """Let it go on until it waits for a pass, or has ended."""
        saved = {(m, a): getattr(m, a) for m, a, _ in OWN}
        for (module, name), value in self._own.items():
            setattr(module, name, value)
        self._turned()
        self.request = None
        if self._begun:
            self._mine.release()
        else:
            self._begun = True
            self._thread.start()
        self._others.acquire()
        self._own = {(m, a): getattr(m, a) for m, a, _ in OWN}
        for (module, name), value in saved.items():
            setattr(module, name, value)

    def ask(self, request: Request) -> Any:
        """Wait for a pass; called by the run's own thread."""
        self.request = request
        self._others.release()
        self._mine.acquire()
        answer, self.answer = self.answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def interrupt(self, stop: interrupt.Interrupted) -> None:
        """Have it stop at its next look, as a signal would."""
        key = (interrupt, "_asked")
        self._own[key] = self._own[key] or stop

    def _tell(self) -> None:
        try:
            joint_training.join(Member(self.ask, self.runs))
            self._story()
        finally:
            self.ended, self.request = True, None
            self._others.release()


class Group:
    """Runs that are trained together.

    Args:
        said: told in a line what is notable.
        most: trials that one graph may hold.
        part: of the memory that is free, what is this group's; there are others beside it.
    """

    def __init__(self, said: Callable[[str], None] = lambda text: None, most: int = 256, part: float = 1.0):
        self.runs: list[Run] = []
        self._served = Served(said, most, part)

    def add(self, run: Run) -> None:
        """Take a run in; it begins with the next round."""
        run.runs = lambda: len(self.runs)
        self.runs.append(run)

    def round(self) -> list[Run]:
        """Let each run go on to its next pass, and do a pass for as many as want the same; return those that have ended."""
        for run in self.runs:
            if run.request is None:
                run.turn()
        ended = [r for r in self.runs if r.ended]
        self.runs = [r for r in self.runs if not r.ended]
        if ended:
            return ended
        alike: dict[Any, list[Run]] = {}
        for run in self.runs:
            alike.setdefault(run.request.kind(), []).append(run)
        if alike:
            # The most first: those that are ahead or behind wait for one another.
            together = max(alike.values(), key=len)
            for run, answer in zip(
                together, self._served.answers([r.request for r in together]), strict=True
            ):
                run.answer, run.request = answer, None
        return []
