"""A point as faults see it: a project of its own, the processes in it, and what a user would do to have its subject finished."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos import verifier, victim
from chaos.subjects import Subject
from chaos.victim import Process

TIMEOUT_S = 180.0  # for a process that should end
CALM_S = 60.0  # for what outlives it: its delivery, its trials


class Fell(Exception):
    """Something did not hold."""


@dataclass
class Scene:
    """A point: a project of its own, and processes in it.

    Args:
        folder: of the point; the project lies in it.
        subject: a run or a sweep.
        stage: of its life, in which the fault strikes.
        fraction: of that stage.
        lengths: seconds of each stage of an undisturbed life.
        reference: what is left by that.
        random: for what else there is to choose.
        history: what was done, for the report.
    """

    folder: Path
    subject: Subject
    stage: int
    fraction: float
    lengths: Sequence[float]
    reference: verifier.Reference
    random: random.Random
    history: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folder / "project"

    @property
    def mark(self) -> str:
        """What the processes of the point have in their environment."""
        return self.folder.name

    def begin(self, words: Sequence[str], folder: Path | None = None, host: str = "") -> Process:
        """Begin a command in the project, or in another folder."""
        self.history.append(f"trainrun {' '.join(words)}" + (f" on {host}" if host else ""))
        output = self.folder / f"output{len(self.history)}.txt"
        return Process(folder or self.project, tuple(words), output, self.mark, host)

    def until_the_moment(self) -> Process:
        """Begin the subject, and return when its moment has come; it may have ended by then."""
        process = self.begin(self.subject.words)
        until = time.monotonic() + TIMEOUT_S
        while process.code is None and self.subject.stage(self.project) < self.stage:
            if time.monotonic() > until:
                raise Fell(f"did not reach {self.subject.stages[self.stage]} in {TIMEOUT_S:.0f} s")
            time.sleep(0.005)
        process.wait(self.fraction * self.lengths[self.stage])
        reached = self.subject.stages[self.subject.stage(self.project)]
        self.history.append(f"in {reached}" if process.code is None else f"ended with {process.code} before")
        return process

    def processes(self, process: Process) -> list[int]:
        """Return the process and all that it has started."""
        return [process.pid, *(p for p in victim.living(self.mark) if p != process.pid)]

    def strike(self, process: Process, pids: Sequence[int], number: int) -> None:
        """Send a signal to some processes."""
        self.history.append(f"{signal.Signals(number).name} for {len(pids)} processes")
        victim.send([*pids], number)
        if number == signal.SIGKILL and process.pid in pids and process.wait(10.0) is None:
            raise Fell("it lives after SIGKILL")

    def killed(self) -> None:
        """Begin the subject, and kill all of it at its moment."""
        process = self.until_the_moment()
        self.strike(process, self.processes(process), signal.SIGKILL)

    def finish(self, folder: Path | None = None, host: str = "") -> None:
        """Go on with the subject until it is finished: that must take one command."""
        folder = folder or self.project
        begun = self.subject.begun(folder)
        self.expect(self.begin(self.subject.resume if begun else self.subject.words, folder, host), (0,))
        self.deliver(folder)

    def expect(self, process: Process, codes: Sequence[int]) -> int:
        """Wait for a process; its exit code must be one of these."""
        code = process.wait(TIMEOUT_S)
        self.history.append(f"-> {code}")
        if code not in codes:
            raise Fell(f"trainrun {' '.join(process.words)}: exit code {code}\n{process.printed[-1500:]}")
        return code

    def deliver(self, folder: Path | None = None) -> None:
        """Send what is still owed to MLflow, as the run's last line advises; most often there is nothing."""
        self.calm()
        if verifier.owing(folder or self.project):
            self.expect(self.begin(("sync", "--all"), folder), (0,))

    def calm(self) -> None:
        """Wait for what outlives a process."""
        if left := victim.calm(self.mark, CALM_S):
            raise Fell("these did not end: " + ", ".join(left))

    def verify(self, folder: Path | None = None, alone: bool = True) -> None:
        """Hold all that is left against each other."""
        self.calm()
        if violations := verifier.problems(folder or self.project, self.reference, alone):
            raise Fell("\n".join(violations))
