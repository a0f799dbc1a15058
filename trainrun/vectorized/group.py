"""Runs that are trained together: each has a thread, of which one is active at a time.

A run (`trainrun.run.runner`) does everything as usual: data, model, callbacks, journal, checkpoints. Only for a pass over the
training or validation data it waits until the others wait, too; then one compiled graph makes the pass for all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from trainrun.run.context import RunContext
from trainrun.vectorized.participant import Participant, Request
from trainrun.vectorized.scheduler import Scheduler


class Run:
    """One run of the group, and its thread.

    Args:
        name: of the thread.
        train: executes the whole run.
        context: of the run; its `joint` is set.
        on_turn: called when the thread becomes active.
    """

    def __init__(
        self,
        name: str,
        train: Callable[[RunContext], None],
        context: RunContext,
        on_turn: Callable[[], None] = lambda: None,
    ):
        self.request: Request | None = None
        self.answer: Any = None
        self.ended = False
        self.runs: Callable[[], int] = lambda: 1  # number of runs in the group; set by the group
        self._train, self._on_turn, self.context = train, on_turn, context
        context.joint, context.threaded = Participant(self.ask, lambda: self.runs(), context.stop), True
        # Each lock is released by the other side: a semaphore with the value 0, without the overhead of Python's.
        self._resume, self._pause = threading.Lock(), threading.Lock()
        self._resume.acquire(), self._pause.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._begun = False

    def turn(self) -> None:
        """Let the run continue until it waits for a pass or has ended."""
        self._on_turn()
        self.request = None
        if self._begun:
            self._resume.release()
        else:
            self._begun = True
            self._thread.start()
        self._pause.acquire()

    def ask(self, request: Request) -> Any:
        """Request a pass and wait for it; called by the thread of the run."""
        self.request = request
        self._pause.release()
        self._resume.acquire()
        answer, self.answer = self.answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self) -> None:
        try:
            self._train(self.context)
        finally:
            self.ended, self.request = True, None
            self._pause.release()


class Group:
    """Runs that are trained together.

    Args:
        announce: prints a line to the user.
        most: maximum number of trials in one graph.
        part: share of the free memory for this group.
    """

    def __init__(
        self, announce: Callable[[str], None] = lambda text: None, most: int = 256, part: float = 1.0
    ):
        self.runs: list[Run] = []
        self._scheduler = Scheduler(announce, most, part)

    def add(self, run: Run) -> None:
        """Add a run; it begins with the next round."""
        run.runs = lambda: len(self.runs)
        self.runs.append(run)

    def round(self) -> list[Run]:
        """Let each run continue to its next pass, and make the most frequent pass; return the runs that have ended."""
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
            # The most frequent kind first, so that runs that are ahead wait for the others.
            together = max(by_kind.values(), key=len)
            for run, answer in zip(
                together, self._scheduler.answers([r.request for r in together]), strict=True
            ):
                run.answer, run.request = answer, None
        return []
