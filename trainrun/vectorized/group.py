"""Runs that are trained together: each has a thread of its own; one of them moves at a time.

A run (`trainrun.run.runner`) is the same as ever: data, model, callbacks, journal, checkpoints, its end. Only where it
would train or measure for a whole pass it waits, until the others wait, too; then one compiled graph does it for all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from trainrun.run.context import RunContext
from trainrun.vectorized.participant import Member, Request
from trainrun.vectorized.scheduler import Served


class Run:
    """One run of the group, and its thread.

    Args:
        name: of the thread.
        story: does all of it; returns when the run has ended.
        context: of the run; it gets its place in the group.
        on_turn: called when its turn begins.
    """

    def __init__(
        self,
        name: str,
        story: Callable[[RunContext], None],
        context: RunContext,
        on_turn: Callable[[], None] = lambda: None,
    ):
        self.request: Request | None = None
        self.answer: Any = None
        self.ended = False
        self.runs: Callable[[], int] = lambda: 1  # how many there are; set by the group
        self._story, self._on_turn, self.context = story, on_turn, context
        context.joint, context.threaded = Member(self.ask, lambda: self.runs(), context.stop), True
        # Held until the other side lets go of it: as a semaphore of 0, without that one's Python.
        self._mine, self._others = threading.Lock(), threading.Lock()
        self._mine.acquire(), self._others.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._begun = False

    def turn(self) -> None:
        """Let it go on until it waits for a pass, or has ended."""
        self._on_turn()
        self.request = None
        if self._begun:
            self._mine.release()
        else:
            self._begun = True
            self._thread.start()
        self._others.acquire()

    def ask(self, request: Request) -> Any:
        """Wait for a pass; called by the run's own thread."""
        self.request = request
        self._others.release()
        self._mine.acquire()
        answer, self.answer = self.answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self) -> None:
        try:
            self._story(self.context)
        finally:
            self.ended, self.request = True, None
            self._others.release()


class Group:
    """Runs that are trained together.

    Args:
        announce: prints a line to the user.
        most: trials that one graph may hold.
        part: of the memory that is free, what is this group's; there are others beside it.
    """

    def __init__(
        self, announce: Callable[[str], None] = lambda text: None, most: int = 256, part: float = 1.0
    ):
        self.runs: list[Run] = []
        self._served = Served(announce, most, part)

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
        by_kind: dict[Any, list[Run]] = {}
        for run in self.runs:
            by_kind.setdefault(run.request.kind(), []).append(run)
        if by_kind:
            # The most first: those that are ahead or behind wait for one another.
            together = max(by_kind.values(), key=len)
            for run, answer in zip(
                together, self._served.answers([r.request for r in together]), strict=True
            ):
                run.answer, run.request = answer, None
        return []
