"""What one sees of a sweep while it runs: a line when a trial ends, and below them how it stands.

On a terminal that is a table redrawn in place, elsewhere a line now and then. Whoever watches from another shell
(`watch.py`) drives the same board by what the trials have written.
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
from trainrun.ui import console
from trainrun.util import redaction
from trainrun.util.durations import said as duration

STYLES = {"FINISHED": "green", "FAILED": "red", "KILLED": "yellow", "PRUNED": "cyan"}
REFRESH = 0.2  # seconds between two drawings of the table
PATIENCE = 10.0  # seconds between two plain lines of how it stands; in a long sweep more
BAR = 24  # columns of the bar
ENOUGH = 0.3  # trials' worth of epochs after which the time left is told

Parts = list[tuple[str, str]]


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
        self._best: tuple[Trial, float] | None = None
        self._reported: dict[int, Mapping[str, float]] = {}  # the last epoch of trials that run
        self._objective = objective.expected(self.settings)
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
        self._reported.pop(trial.number, None)
        if trial.status != "FINISHED":
            return
        if self._best is None:
            self._objective = objective.of(self.settings, [trial])[0]
        value = trial.value(self._objective.name)
        if value is not None and objective.better(self._objective, value, self._best and self._best[1]):
            self._best = trial, value

    def ended(self, trial: Trial) -> None:
        """Print a trial's line."""
        self.count(trial)
        self._drawn = -math.inf  # the table that stands below the line has it as one that runs
        width = len(str((self.total or 1000) - 1))
        names = [
            self._objective.name,
            *(n for n in trial.metrics if n in ("val_loss", "val_accuracy", "val_mae")),
        ]
        shown = [(k, trial.value(k)) for k in dict.fromkeys(names)][:2]
        figures = "  ".join(f"{k} {v:.4f}" for k, v in shown if v is not None)
        if trial.status != "FINISHED":
            figures = (trial.reason or "").partition("\n")[0]
        console.pieces(
            [
                (f"[{trial.number:>{width}}] ", "dim"),
                (f"{trial.status:<8}  ", STYLES.get(trial.status, "")),
                (f"{duration(trial.seconds):>6}  ", "dim"),
                (_setting(trial), ""),
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

    def heard(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Take note of what a trial reports after an epoch; `trial.epochs` is set."""
        self._reported[trial.number] = metrics

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
            console.live(self.table(running))
        # In a sweep of hours, a line every ten seconds is nobody's pleasure.
        elif running and now - self._told >= max(PATIENCE, (now - (self.since or now)) / 30):
            line = self.line(running)
            if line != self._line:
                console.note(line)
            self._told, self._line = now, line

    def close(self) -> None:
        """Take the table away."""
        console.live(())

    # How it stands.

    def left(self, running: Sequence[Trial]) -> float | None:
        """Return the seconds that it will take yet, at the pace so far; None: nobody can tell."""
        if self.total is None or self.since is None:
            return None
        under_way = sum(_share(t) for t in running)
        worth = self.counts.total() - self.before + under_way
        if worth < ENOUGH:
            return None
        return (self.clock() - self.since) / worth * max(self.total - self.counts.total() - under_way, 0.0)

    def table(self, running: Sequence[Trial]) -> list[Parts]:
        """Return the lines of the table: how many, the best, and a row for each trial that runs."""
        width, height = console.width(), console.height()
        lines = [self._header(running, width)]
        if self._best is not None:
            trial, value = self._best
            lines.append(
                [
                    ("best ", "dim"),
                    (f"{self._objective.name} ", "dim"),
                    (f"{value:.4g}", "bold green"),
                    (f"  [{trial.number}] ", "dim"),
                    (_setting(trial) if width >= 70 else _brief(trial), ""),
                ]
            )
        room = max(height - len(lines) - 2, 1)  # the last printed line is to be seen, too
        rows = sorted(running, key=lambda t: t.number)
        more = len(rows) - room
        lines += [self._row(t, width) for t in (rows if more <= 0 else rows[: room - 1])]
        if more > 0:
            lines.append([(f"  and {more + 1} more that run", "dim")])
        return lines

    def line(self, running: Sequence[Trial]) -> str:
        """Return how it stands in one plain line."""
        done = self.counts.total()
        parts = [f"{done}/{self.total} done" if self.total is not None else f"{done} done"]
        if others := [f"{n} {word.lower()}" for word, n in sorted(self.counts.items()) if word != "FINISHED"]:
            parts[0] += f" ({', '.join(others)})"
        at = [f"[{t.number}] {_progress(t)}" for t in sorted(running, key=lambda t: t.number)[:4]]
        if running:
            parts.append(f"{len(running)} running" + (f": {', '.join(at)}" if len(running) <= 4 else ""))
        if self._best is not None:
            parts.append(f"best {self._objective.name} {self._best[1]:.4g} [{self._best[0].number}]")
        if running and (left := self.left(running)) is not None and left >= 1:
            parts.append(f"about {duration(left)} left")
        return "; ".join(parts)

    def _header(self, running: Sequence[Trial], width: int) -> Parts:
        done = self.counts.total()
        parts: Parts = [(f"{done}/{self.total}" if self.total is not None else f"{done} done", "bold")]
        if self.total and width >= 70:
            full = round(BAR * min((done + sum(_share(t) for t in running)) / self.total, 1.0))
            parts += [("  ", ""), ("━" * full, "green"), ("━" * (BAR - full), "bright_black")]
        # What matters most comes first: on a narrow terminal the line is cut at its end.
        if (left := self.left(running)) is not None and left >= 1:
            parts.append((f"  {duration(left)} left", "cyan"))
        parts += [
            (f"  {self.counts[word]} {word.lower()}", STYLES[word])
            for word in ("FAILED", "KILLED", "PRUNED", "FINISHED")
            if self.counts[word]
        ]
        parts.append((f"  {len(running)} running", "dim"))
        return parts

    def _row(self, trial: Trial, width: int) -> Parts:
        size = len(str((self.total or 1000) - 1))
        parts: Parts = [(f"[{trial.number:>{size}}] ", "dim")]
        if (epochs := _epochs(trial)) and width >= 70:
            full = round(10 * _share(trial))
            parts += [("━" * full, "blue"), ("━" * (10 - full), "bright_black"), (" ", "")]
            parts.append((f"{_progress(trial):>{2 * len(str(epochs)) + 1}}", ""))
        else:
            parts.append((_progress(trial), ""))
        found = objective.measured(self._objective, self._reported.get(trial.number) or {})
        if found is not None:
            parts += [(f"  {found[0]} ", "dim")] if width >= 70 else [("  ", "")]
            parts.append((f"{found[1]:<9.4g}" if width >= 70 else f"{found[1]:.4g}", ""))
        elif trial.epochs == 0:
            parts.append(("  begins", "dim"))
        seconds = self.clock() - self.began.get(trial.number, self.clock())
        # Whole seconds: tenths that flicker five times a second are read by nobody.
        spent = duration(seconds // 1) if seconds >= 10 else f"{int(seconds)}s"
        parts.append((f"  {spent:>4}", "dim"))
        parts += [(f"  {_setting(trial) if width >= 100 else _brief(trial)}", "")]
        return parts


def _setting(trial: Trial) -> str:
    return redaction.text(" ".join(trial.varied or trial.overrides)) or "default"


def _brief(trial: Trial) -> str:
    """Return a trial's setting by the last words of its keys: what differs stands within a narrow line."""
    words = redaction.text(" ".join(trial.varied or trial.overrides)).split(" ")
    return (
        " ".join(
            w.partition("=")[0].rpartition(".")[2] + "=" + w.partition("=")[2] if "=" in w else w
            for w in words
        )
        or "default"
    )


def _epochs(trial: Trial) -> int:
    """Return the epochs that a trial is to train; 0: nobody knows."""
    try:
        return int(trial.config["trainer"]["epochs"])
    except (LookupError, TypeError, ValueError):
        return 0


def _share(trial: Trial) -> float:
    epochs = _epochs(trial)
    return min(trial.epochs / epochs, 1.0) if epochs else 0.0


def _progress(trial: Trial) -> str:
    return f"{trial.epochs}/{_epochs(trial)}" if _epochs(trial) else str(trial.epochs)
