"""`out_of_fold.csv`: the predictions of the best setting for each row, by the model that was not trained on that row's fold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from trainrun.config import override_text
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.trial import Trial
from trainrun.util import paths

FILE = "out_of_fold.csv"
OF_TRIAL = "fold_predictions.csv"  # in the directory of each trial on a fold (`run.fold_predictions`)


def write(sweep_dir: Path, trials: Sequence[Trial], objective: Objective) -> Path | None:
    """Write the lines of the trials of the best setting, by row; several seeds give several lines a row.

    Args:
        sweep_dir: of the sweep.
        trials: of the sweep.
        objective: what settings are ranked by.

    Returns:
        The file, or None if no setting that was trained on folds has a rank.
    """
    ranked = seed_replicates.ranked(seed_replicates.group(trials), objective)
    best = ranked[0].finished if ranked else []
    head: list[str] = []
    lines: list[list[str]] = []
    for trial in best:
        source = trial.run_dir / OF_TRIAL
        if not source.is_file():
            continue
        values = dict(o.split("=", 1) for o in trial.overrides if override_text.is_replicate(o))
        with open(source, newline="", encoding="utf-8") as file:
            first, *rest = csv.reader(file)
        head = ["row", "fold", *(["seed"] if "seed" in values else []), *first[1:]]
        replicate = [values.get("data.fold", ""), *([values["seed"]] if "seed" in values else [])]
        lines += [[row, *replicate, *others] for row, *others in rest]
    if not lines:
        return None
    path = sweep_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(sorted(lines, key=lambda line: (int(line[0]), line[1:3])))
    return path
