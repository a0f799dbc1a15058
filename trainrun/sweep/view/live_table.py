"""The progress of a running sweep: a line when a trial ends, and a status.

On a terminal the status is a table that is redrawn in place, elsewhere an occasional line. `watch.py` shows the same board in
another shell, from the trials' records.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainrun.sweep import objective
from trainrun.sweep.launchers.interface import SEPARATE_PROCESSES
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import trial_table
from trainrun.ui import console
from trainrun.util.durations import text as duration

REFRESH_INTERVAL_S = 0.2  # of the table on a terminal
LINE_INTERVAL_S = 10.0  # between two plain status lines; longer in a long sweep
MIN_DONE = 0.3  # trials' worth of epochs, from which on the time left is estimated


class Board:
    """Shows the progress of a sweep.

    Args:
        total: number of trials, or None if it is not known.
        jobs: trials at once.
        done: trials that have ended in an earlier attempt.
        settings: of the sweep; the objective is taken from them.
        clock: for tests; monotonic seconds.
    """

    def __init__(
        self,
        total: int | None,
        jobs: int,
        done: Sequence[Trial] = (),
        settings: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total, self.jobs, self.clock = total, jobs, clock
        self.settings = settings or {}
        self.counts: Counter[str] = Counter()
        self.began: dict[int, float] = {}  # start of each running trial
        self.since: float | None = None  # start of the first trial
        self.best: tuple[Trial, float] | None = None
        self.reported: dict[int, Mapping[str, float]] = {}  # metrics of the last epoch of running trials
        self.objective = objective.expected(self.settings)
        self._printed: set[str] = set()
        self._drawn = -math.inf
        self._line_time, self._line = self.clock(), ""
        for trial in done:
            self.count(trial)
        self.before = self.counts.total()

    def announce(self, how: str = SEPARATE_PROCESSES) -> None:
        """Print the number of trials, and how they are run."""
        trials = "trials" if self.total is None else "1 trial" if self.total == 1 else f"{self.total} trials"
        before = f", {self.before} of them done before" if self.before else ""
        console.note(f"{trials}{before}, {self.jobs} at once, {how}")

    def count(self, trial: Trial) -> None:
        """Count a trial that has ended, without printing a line."""
        self.counts[trial.status] += 1
        self.began.pop(trial.number, None)
        self.reported.pop(trial.number, None)
        if trial.status != "FINISHED":
            return
        if self.best is None:
            self.objective = objective.of(self.settings, [trial])[0]
        value = trial.value(self.objective.name)
        if value is not None and objective.better(self.objective, value, self.best and self.best[1]):
            self.best = trial, value

    def ended(self, trial: Trial) -> None:
        """Print the line of a trial that has ended."""
        self.count(trial)
        self._drawn = -math.inf  # the table below the line still shows it as running
        width = len(str((self.total or 1000) - 1))
        names = [
            self.objective.name,
            *(n for n in trial.metrics if n in ("val_loss", "val_accuracy", "val_mae")),
        ]
        shown = [(k, trial.value(k)) for k in dict.fromkeys(names)][:2]
        figures = "  ".join(f"{k} {v:.4f}" for k, v in shown if v is not None)
        if trial.status != "FINISHED":
            figures = (trial.reason or "").partition("\n")[0]
        console.pieces(
            [
                (f"[{trial.number:>{width}}] ", "dim"),
                (f"{trial.status:<8}  ", trial_table.STYLES.get(trial.status, "")),
                (f"{duration(trial.seconds):>6}  ", "dim"),
                (trial_table.setting(trial), ""),
                (f"  {figures}", "dim"),
            ]
        )

    def say(self, text: str) -> None:
        """Print a warning, each text once."""
        if text not in self._printed:
            self._printed.add(text)
            console.warn(text)

    def note(self, text: str) -> None:
        """Print a note, each text once."""
        if text not in self._printed:
            self._printed.add(text)
            console.note(text)

    def epoch_done(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Record the metrics that a trial reports after an epoch."""
        self.reported[trial.number] = metrics

    def look(self, running: Sequence[Trial]) -> None:
        """Draw the table at the bottom of a terminal; elsewhere, print a status line now and then."""
        now = self.clock()
        for trial in running:
            self.began.setdefault(trial.number, now)
        if self.since is None and running:
            self.since = now
        if now - self._drawn < REFRESH_INTERVAL_S:
            return
        self._drawn = now
        if console.is_terminal():
            console.live(trial_table.render(self, running, console.width(), console.height()))
        # In a sweep of hours, lines come at longer intervals.
        elif running and now - self._line_time >= max(LINE_INTERVAL_S, (now - (self.since or now)) / 30):
            line = self.line(running)
            if line != self._line:
                console.note(line)
            self._line_time, self._line = now, line

    def close(self) -> None:
        """Remove the table."""
        console.live(None)

    def left(self, running: Sequence[Trial]) -> float | None:
        """Return the estimated seconds left at the pace so far, or None if there is no estimate yet."""
        if self.total is None or self.since is None:
            return None
        partial = sum(trial_table.share(t) for t in running)
        worth = self.counts.total() - self.before + partial
        if worth < MIN_DONE:
            return None
        return (self.clock() - self.since) / worth * max(self.total - self.counts.total() - partial, 0.0)

    def line(self, running: Sequence[Trial]) -> str:
        """Return the status in one plain line."""
        done = self.counts.total()
        parts = [f"{done}/{self.total} done" if self.total is not None else f"{done} done"]
        if others := [f"{n} {word.lower()}" for word, n in sorted(self.counts.items()) if word != "FINISHED"]:
            parts[0] += f" ({', '.join(others)})"
        at = [
            f"[{t.number}] {trial_table.progress(t.epochs, t.config)}"
            for t in sorted(running, key=lambda t: t.number)[:4]
        ]
        if running:
            parts.append(f"{len(running)} running" + (f": {', '.join(at)}" if len(running) <= 4 else ""))
        if self.best is not None:
            parts.append(f"best {self.objective.name} {self.best[1]:.4g} [{self.best[0].number}]")
        if running and (left := self.left(running)) is not None and left >= 1:
            parts.append(f"about {duration(left)} left")
        return "; ".join(parts)
