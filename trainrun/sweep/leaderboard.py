"""The end of a sweep: its trials by merit, the failures with their reason and log, and the winner's command line."""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from trainrun import console, paths
from trainrun.sweep.trial import Objective, Trial
from trainrun.tracking import redact

FILE = "leaderboard.csv"
SHOWN = 10


def write(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> Path:
    """Write `leaderboard.csv`: the best first, then those without a value."""
    order = objective.ranked(list(trials))
    order += [t for t in sorted(trials, key=lambda t: t.number) if t not in order]
    names = sorted({name for t in trials for name in t.metrics})
    path = sweep_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["rank", "trial", "status", objective.name, "seconds", "overrides", *names, "reason"])
        for rank, trial in enumerate(order, 1):
            value = trial.value(objective.name)
            rows.writerow(
                [
                    rank if trial.status == "FINISHED" and value is not None else "",
                    trial.number,
                    trial.status,
                    "" if value is None else repr(value),
                    f"{trial.seconds:.2f}",
                    redact.text(" ".join(trial.overrides)),
                    *(repr(trial.metrics[n]) if n in trial.metrics else "" for n in names),
                    (trial.reason or "").partition("\n")[0],
                ]
            )
    return path


def show(sweep_dir: Path, trials: Sequence[Trial], objective: Objective, total: int | None) -> None:
    """Print the best trials and all failures."""
    ranked = objective.ranked(list(trials))
    console.say()
    if ranked:
        rows = [
            [
                str(i),
                str(t.number),
                f"{t.value(objective.name):.4f}",
                redact.text(" ".join(t.varied or t.overrides)),
            ]
            for i, t in enumerate(ranked[:SHOWN], 1)
        ]
        console.table("", ["rank", "trial", objective.name, "setting"], rows, [0])
        if len(ranked) > SHOWN:
            console.note(f"{len(ranked) - SHOWN} more in {os.path.relpath(sweep_dir / FILE)}")
    failed = [t for t in trials if t.status not in ("FINISHED", "PRUNED")]
    if failed:
        console.say()
        console.table(
            "Failed",
            ["trial", "reason", "log"],
            [
                [
                    str(t.number),
                    (t.reason or t.status).partition("\n")[0],
                    os.path.relpath(t.run_dir / "run.log"),
                ]
                for t in failed
            ],
        )
    if total is not None and len(trials) < total:
        console.note(f"{total - len(trials)} of {total} trials were not begun")
    console.say()
    console.pieces([("sweep       ", "dim"), (os.path.relpath(sweep_dir), "")])
    if ranked:
        best = redact.text(shlex.join(alone(ranked[0].overrides)))
        console.pieces([("best        ", "dim"), (f"trainrun {best}", "green")])


def alone(overrides: Sequence[str]) -> list[str]:
    """Return a trial's overrides as one types them for this run alone: without what concerns the sweep."""
    return [
        o
        for o in overrides
        if not o.startswith("sweep.") and o.partition("=")[0] not in ("objective", "direction", "seeds")
    ]
