"""What is shown of a sweep while it runs: a line when a trial ends, and how the sweep stands.

On a terminal that is a table which is redrawn in place, elsewhere a line now and then. `watch.py` drives the same board from
another shell, by what the trials have written.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainrun.sweep import objective
from trainrun.sweep.launchers.engine import APART
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import trial_table
from trainrun.ui import console
from trainrun.util.durations import said as duration

REFRESH = 0.2  # seconds between two drawings of the table
PATIENCE = 10.0  # seconds between two plain lines of how it stands; in a long sweep more
ENOUGH = 0.3  # trials' worth of epochs after which the time left is told


class Board:
    """Say how a sweep goes.

    Args:
        total: trials there will be; None: nobody knows.
        jobs: at once.
        done: trials that have ended before.
        settings: see `snapshot.settings`; of them, what the sweep is ranked by.
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
        self.began: dict[int, float] = {}  # when a trial that runs began
        self.since: float | None = None  # when the first trial began
        self.best: tuple[Trial, float] | None = None
        self.reported: dict[int, Mapping[str, float]] = {}  # the last epoch of trials that run
        self.objective = objective.expected(self.settings)
        self._said: set[str] = set()
        self._drawn = -math.inf
        self._told, self._line = self.clock(), ""
        for trial in done:
            self.count(trial)
        self.before = self.counts.total()

    def announce(self, how: str = APART) -> None:
        """Say what there is to do, and how it is done."""
        trials = "trials" if self.total is None else "1 trial" if self.total == 1 else f"{self.total} trials"
        before = f", {self.before} of them done before" if self.before else ""
        console.note(f"{trials}{before}, {self.jobs} at once, {how}")

    def count(self, trial: Trial) -> None:
        """Take note of a trial that has ended, without a line for it."""
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
        """Print a trial's line."""
        self.count(trial)
        self._drawn = -math.inf  # the table that stands below the line has it as one that runs
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
        """Say something once."""
        if text not in self._said:
            self._said.add(text)
            console.warn(text)

    def note(self, text: str) -> None:
        """Say something once that is no warning."""
        if text not in self._said:
            self._said.add(text)
            console.note(text)

    def epoch_done(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Take note of what a trial reports after an epoch; `trial.epochs` is set."""
        self.reported[trial.number] = metrics

    def look(self, running: Sequence[Trial]) -> None:
        """Draw the table at the bottom of a terminal; elsewhere, say now and then how it stands."""
        now = self.clock()
        for trial in running:
            self.began.setdefault(trial.number, now)
        if self.since is None and running:
            self.since = now
        if now - self._drawn < REFRESH:
            return
        self._drawn = now
        if console.is_terminal():
            console.live(trial_table.render(self, running, console.width(), console.height()))
        # In a sweep of hours, a line every ten seconds is nobody's pleasure.
        elif running and now - self._told >= max(PATIENCE, (now - (self.since or now)) / 30):
            line = self.line(running)
            if line != self._line:
                console.note(line)
            self._told, self._line = now, line

    def close(self) -> None:
        """Take the table away."""
        console.live(None)

    # How it stands.

    def left(self, running: Sequence[Trial]) -> float | None:
        """Return the seconds that it will take yet, at the pace so far; None: nobody can tell."""
        if self.total is None or self.since is None:
            return None
        under_way = sum(trial_table.share(t) for t in running)
        worth = self.counts.total() - self.before + under_way
        if worth < ENOUGH:
            return None
        return (self.clock() - self.since) / worth * max(self.total - self.counts.total() - under_way, 0.0)

    def line(self, running: Sequence[Trial]) -> str:
        """Return how it stands in one plain line."""
        done = self.counts.total()
        parts = [f"{done}/{self.total} done" if self.total is not None else f"{done} done"]
        if others := [f"{n} {word.lower()}" for word, n in sorted(self.counts.items()) if word != "FINISHED"]:
            parts[0] += f" ({', '.join(others)})"
        at = [f"[{t.number}] {trial_table.progress(t)}" for t in sorted(running, key=lambda t: t.number)[:4]]
        if running:
            parts.append(f"{len(running)} running" + (f": {', '.join(at)}" if len(running) <= 4 else ""))
        if self.best is not None:
            parts.append(f"best {self.objective.name} {self.best[1]:.4g} [{self.best[0].number}]")
        if running and (left := self.left(running)) is not None and left >= 1:
            parts.append(f"about {duration(left)} left")
        return "; ".join(parts)
