"""The ranking of settings that have several seeds: mean, confidence interval, and whether the best two differ."""

from __future__ import annotations

import csv
import itertools
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.ranking.seed_replicates import Setting
from trainrun.sweep.trial import Trial
from trainrun.ui import console
from trainrun.util import paths, redaction

FILE = "leaderboard_settings.csv"
COLUMNS = (
    "rank", "mean", "ci_low", "ci_high", "std", "seeds", "p_against_best", "trials", "setting", "note",
)  # fmt: skip


def ordered(trials: Sequence[Trial], objective: Objective) -> tuple[list[Setting], list[Setting]]:
    """Return the settings that have a rank, the best first, and the others."""
    settings = seed_replicates.group(trials)
    having = seed_replicates.ranked(settings, objective)
    return having, [s for s in settings if not any(s is h for h in having)]


def write(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> Path:
    """Write `leaderboard_settings.csv`: a row for each setting, the best first."""
    having, others = ordered(trials, objective)
    path = sweep_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        best = having[0].values(objective.name) if having else []
        most = max((len(s.values(objective.name)) for s in having), default=0)
        for rank, setting in enumerate(having, 1):
            values = setting.values(objective.name)
            low, high = seed_replicates.interval(values) or ("", "")
            compared = rank > 1 and min(len(values), len(best)) > 1
            if compared and len(values) < most and not _why(setting):
                setting.note = "no further seeds: clearly worse than the best"
            rows.writerow(
                [
                    rank,
                    repr(statistics.fmean(values)),
                    *(repr(e) if e != "" else "" for e in (low, high)),
                    repr(statistics.stdev(values)) if len(values) > 1 else "",
                    len(values),
                    repr(seed_replicates.welch(values, best)) if compared else "",
                    *_about(setting),
                ]
            )
        for setting in others:
            rows.writerow(["", "", "", "", "", 0, "", *_about(setting)])
    return path


def _about(setting: Setting) -> list[str]:
    numbers = " ".join(str(t.number) for t in setting.trials)
    return [numbers, " ".join(redaction.words(setting.overrides)), setting.note or _why(setting)]


def _why(setting: Setting) -> str:
    """Return why a setting has no rank, or only a provisional one."""
    if bad := setting.diverged:
        return f"trial {bad.number} came to no number"
    if pruned := next((t for t in setting.trials if t.status == "PRUNED"), None):
        return f"trial {pruned.number} was pruned"
    failed = [str(t.number) for t in setting.trials if t.status not in ("FINISHED", "WAITING")]
    return f"not finished: trials {', '.join(failed)}" if failed else ""


def show(sweep_dir: Path, trials: Sequence[Trial], objective: Objective, shown: int) -> list[Trial]:
    """Print the best settings, and whether the first is significantly better than the second.

    Args:
        sweep_dir: of the sweep.
        trials: of the sweep.
        objective: of the sweep.
        shown: maximum number of settings.

    Returns:
        A representative trial of each setting that has a rank, the best first.
    """
    having, _ = ordered(trials, objective)
    rows = []
    for rank, setting in enumerate(having[:shown], 1):
        values = setting.values(objective.name)
        between = seed_replicates.interval(values)
        rows.append(
            [
                str(rank),
                f"{statistics.fmean(values):.4f}",
                f"{between[0]:.4f} to {between[1]:.4f}" if between else "one run only",
                *(f"{statistics.fmean(setting.values(o.name)):.4g}" for o in objective.others),
                str(len(values)),
                number_ranges([t.number for t in setting.trials]),
                " ".join(redaction.words(setting.varied)) or "default",
            ]
        )
    if rows:
        replicates = f"{seed_replicates.replicate_name(trials)}s"
        others = [f"mean {o.name}" for o in objective.others]
        head = ["rank", f"mean {objective.name}", "95% interval", *others, replicates, "trials", "setting"]
        console.table("", head, rows, [0])
    if len(having) > shown:
        console.note(f"{len(having) - shown} more in {os.path.relpath(sweep_dir / FILE)}")
    if not objective.others and (sentence := verdict(having, objective)):
        console.note(sentence)
    return [seed_replicates.median(s, objective) for s in having]


def number_ranges(numbers: Sequence[int]) -> str:
    """Return numbers as ranges: ``0-4,7``."""
    ordered, parts = sorted(numbers), []
    for _, group in itertools.groupby(enumerate(ordered), lambda pair: pair[1] - pair[0]):
        run = [n for _, n in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)))
    return ",".join(parts)


def verdict(having: Sequence[Setting], objective: Objective) -> str | None:
    """Return a sentence if the best two settings do not differ significantly; else None."""
    if len(having) < 2:
        return None
    first, second = (s.values(objective.name) for s in having[:2])
    if min(len(first), len(second)) < 2:
        return "the best two settings cannot be compared: one of them has one seed only"
    chance = seed_replicates.welch(first, second)
    if chance < seed_replicates.DISTINGUISHED:
        return None
    return (
        f"the best two settings are not distinguishable with these seeds (Welch's t-test, p = {chance:.2f}): "
        "more seeds would tell, or take the cheaper one"
    )
