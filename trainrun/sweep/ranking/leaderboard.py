"""The leaderboard of a sweep: trials by rank, failures with their reason and log, and the winner's command line."""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from trainrun.config import override_text
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import pareto, seed_leaderboard, seed_replicates, unlike_losses
from trainrun.sweep.trial import Trial
from trainrun.ui import console
from trainrun.util import paths, redaction

FILE = "leaderboard.csv"
SHOWN = 10


def write(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> Path:
    """Write `leaderboard.csv`: the best first, then those without a value."""
    order = objective.ranked(list(trials))
    ranked_ids = {id(t) for t in order}
    order += [t for t in sorted(trials, key=lambda t: t.number) if id(t) not in ranked_ids]
    names = sorted({name for t in trials for name in t.metrics})
    further = [o.name for o in objective.others]
    best = pareto.front(trials, objective.all) if further else []
    path = sweep_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        head = ["rank", "trial", "status", objective.name, *further, *["front"] * bool(further)]
        names = [n for n in names if n not in further]
        rows.writerow([*head, "seconds", "overrides", *names, "reason"])
        for rank, trial in enumerate(order, 1):
            value = trial.value(objective.name)
            rows.writerow(
                [
                    rank if trial.status == "FINISHED" and value is not None else "",
                    trial.number,
                    trial.status,
                    *map(_cell, [value, *map(trial.value, further)]),
                    *["yes" if trial in best else ""] * bool(further),
                    f"{trial.seconds:.2f}",
                    " ".join(redaction.words(trial.overrides)),
                    *(repr(trial.metrics[n]) if n in trial.metrics else "" for n in names),
                    redaction.text((trial.reason or "").partition("\n")[0]),
                ]
            )
    if seed_replicates.replicated(trials):
        seed_leaderboard.write(sweep_dir, trials, objective)
    return path


def is_current(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> bool:
    """Return whether `leaderboard.csv` has the trials as they are: one that was resumed by itself since has another status or value."""
    try:
        with open(sweep_dir / FILE, newline="", encoding="utf-8", opener=paths.regular) as file:
            written = {
                row.get("trial"): (row.get("status"), row.get(objective.name)) for row in csv.DictReader(file)
            }
    except (OSError, ValueError, csv.Error):
        return False
    return written == {str(t.number): (t.status, _cell(t.value(objective.name))) for t in trials}


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def unranked(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> str | None:
    """Return why no trial has a rank, with the way out; None if one has, or if none has come to its end.

    Args:
        sweep_dir: the sweep's directory.
        trials: of the sweep.
        objective: what they are ranked by.
    """
    if objective.ranked(list(trials)):
        return None
    name, finished = os.path.relpath(sweep_dir), [t for t in trials if t.status == "FINISHED"]
    if not finished:
        pruned = any(t.status == "PRUNED" for t in trials)
        return (
            f"nothing is ranked: no trial has finished; trainrun resume {name} continue=pruned"
            if pruned
            else None
        )
    logged = sorted({k for t in finished for k in t.metrics if t.value(k) is not None})
    lacking = [o.name for o in objective.all if not any(t.value(o.name) is not None for t in finished)]
    undefined = [k for k in lacking if any(k in t.metrics for t in finished)]
    reason = (
        f"{', '.join(undefined)} is not a number in any" if undefined else f"none has {', '.join(lacking)}"
    )
    return (
        f"nothing is ranked: of {len(finished)} finished trials, {reason}. They logged {', '.join(logged)}. To rank by one of "
        f"these: trainrun best {name} --objective NAME"
    )


def show(sweep_dir: Path, trials: Sequence[Trial], objective: Objective, total: int | None) -> None:
    """Print the best trials and all failures."""
    ranked = objective.ranked(list(trials))
    console.say()
    if seed_replicates.replicated(trials):
        ranked = seed_leaderboard.show(sweep_dir, trials, objective, SHOWN)
    elif ranked:
        rows = [
            [
                str(i),
                str(t.number),
                *(_figure(t.value(o.name)) for o in objective.all),
                " ".join(redaction.words(t.varied or t.overrides)),
            ]
            for i, t in enumerate(ranked[:SHOWN], 1)
        ]
        best = pareto.front(ranked, objective.all) if objective.others else ranked[:1]
        marked = [i for i, t in enumerate(ranked[:SHOWN]) if t in best]
        console.table("", ["rank", "trial", *(o.name for o in objective.all), "setting"], rows, marked)
        if objective.others:
            count = "1 trial" if len(best) == 1 else f"{len(best)} trials"
            console.note(f"the Pareto front: {count} (marked), which no other one beats in all objectives")
        if len(ranked) > SHOWN:
            console.note(f"{len(ranked) - SHOWN} more in {os.path.relpath(sweep_dir / FILE)}")
    if (unlike := unlike_losses.notice(os.path.relpath(sweep_dir), ranked, objective)) is not None:
        console.warn(unlike)
    if (reason := unranked(sweep_dir, trials, objective)) is not None:
        console.error(reason)
    elif last := [t for t in trials if t.status == "FINISHED" and t.value(objective.name) is None]:
        console.note(
            f"last, without a rank, for want of {objective.name}: trial {', '.join(str(t.number) for t in last)}"
        )
    _show_ended("Failed", [t for t in trials if t.status == "FAILED"])
    interrupted = [t for t in trials if t.status not in ("FINISHED", "PRUNED", "FAILED")]
    _show_ended("Interrupted", interrupted)
    if total is not None and len(trials) < total:
        console.note(f"{total - len(trials)} of {total} trials were not begun")
    if interrupted:
        console.note(f"to go on: trainrun resume {os.path.relpath(sweep_dir)}")
    console.say()
    console.pieces([("sweep       ", "dim"), (os.path.relpath(sweep_dir), "")])
    if ranked and objective.others:
        console.pieces([("front       ", "dim"), (f"trainrun best {os.path.relpath(sweep_dir)}", "green")])
    elif ranked:
        best = shlex.join(redaction.words(alone(ranked[0].overrides)))
        console.pieces([("best        ", "dim"), (f"trainrun {best}", "green")])
        if ranked[0].run_dir.is_dir():
            console.pieces([("trained     ", "dim"), (os.path.relpath(ranked[0].run_dir), "")])


def _show_ended(title: str, trials: Sequence[Trial]) -> None:
    """Print why trials have ended without a result."""
    if trials:
        console.say()
        rows = [
            [str(t.number), (t.reason or t.status).partition("\n")[0], os.path.relpath(t.run_dir / "run.log")]
            for t in trials
        ]
        console.table(title, ["trial", "reason", "log"], rows)


def show_ways_on(sweep_dir: Path, trials: Sequence[Trial]) -> None:
    """Print how the trials of a finished sweep go on that have failed or were pruned."""
    name, ends = os.path.relpath(sweep_dir), {t.status for t in trials}
    if "FAILED" in ends:
        console.say(f"To repeat the failed ones: trainrun resume {name} retry=failed")
    if "PRUNED" in ends:
        console.say(f"To continue the pruned ones: trainrun resume {name} continue=pruned")


def _figure(value: float) -> str:
    """Return a value as text: large whole numbers without decimals, others with four."""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4f}"


def alone(overrides: Sequence[str]) -> list[str]:
    """Return a trial's overrides for running it alone, without those that concern the sweep or choose its fold."""
    alone = override_text.is_about_the_sweep, override_text.is_about_folds
    return [o for o in overrides if not any(concerns(o) for concerns in alone)]
