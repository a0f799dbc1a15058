"""What one sees of a sweep while it runs: a line when a trial ends, and on a terminal one that says how it stands."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from trainrun import console
from trainrun.duration import said as duration
from trainrun.sweep.trial import Trial
from trainrun.tracking import redact

STYLES = {"FINISHED": "green", "FAILED": "red", "KILLED": "yellow", "PRUNED": "cyan"}


class Board:
    """Say how a sweep goes.

    Args:
        total: trials there will be; None: nobody knows.
        jobs: at once.
        done: trials that have ended before.
    """

    def __init__(self, total: int | None, jobs: int, done: Sequence[Trial] = ()):
        self.total, self.jobs = total, jobs
        self.began_at = time.monotonic()
        self.counts: dict[str, int] = dict(Counter(t.status for t in done))
        self._said: set[str] = set()
        self._took: list[float] = []
        trials = "trials" if total is None else "1 trial" if total == 1 else f"{total} trials"
        console.note(f"{trials}, {jobs} at once, each in a process of its own")

    def ended(self, trial: Trial) -> None:
        """Print a trial's line."""
        self.counts[trial.status] = self.counts.get(trial.status, 0) + 1
        self._took.append(trial.seconds)
        width = len(str((self.total or 1000) - 1))
        shown = [(k, v) for k, v in trial.metrics.items() if k in ("val_loss", "val_accuracy", "val_mae")][:2]
        figures = "  ".join(f"{k} {v:.4f}" for k, v in shown)
        if trial.status != "FINISHED":
            figures = (trial.reason or "").partition("\n")[0]
        console.pieces(
            [
                (f"[{trial.number:>{width}}] ", "dim"),
                (f"{trial.status:<8}  ", STYLES.get(trial.status, "")),
                (f"{duration(trial.seconds):>6}  ", "dim"),
                (redact.text(" ".join(trial.varied or trial.overrides)) or "default", ""),
                (f"  {figures}", "dim"),
            ]
        )

    def say(self, text: str) -> None:
        """Say something once."""
        if text not in self._said:
            self._said.add(text)
            console.warn(text)

    def heard(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Take note of what a trial reports after an epoch."""

    def look(self, running: list[Trial]) -> None:
        """Draw the line at the bottom of a terminal."""
        done = sum(self.counts.values())
        parts = [(f"{done}/{self.total} " if self.total is not None else f"{done} ", "bold")]
        parts += [(f" {n} {word.lower()} ", STYLES.get(word, "")) for word, n in sorted(self.counts.items())]
        parts += [(f" {len(running)} running: {', '.join(str(t.number) for t in running)}", "")]
        if self._took and self.total is not None:
            pace = (time.monotonic() - self.began_at) / len(self._took)
            parts += [(f"  {duration(pace * (self.total - done))} left", "cyan")]
        console.status(parts)

    def close(self) -> None:
        """Take the line away."""
        console.status(())
