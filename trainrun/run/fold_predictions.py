"""The predictions of a model for the fold that it was not trained on: `fold_predictions.csv` in the run's directory."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from trainrun.run.evaluation import predictions
from trainrun.trainer.job import Job
from trainrun.util import paths

FILE = "fold_predictions.csv"


def write(job: Job, run_dir: Path) -> Path | None:
    """Write a line for each example of the fold: its row in the table, its target, the prediction.

    Args:
        job: with the trained model, on one device.
        run_dir: the run's directory.

    Returns:
        The file, or None if the validation part is no fold.
    """
    data = job.dataset
    if data.fold_rows is None or job.validation is None:
        return None
    predicted = predictions(job, job.validation)
    predicted = np.asarray(predicted, "float64").reshape(len(predicted), -1)
    labels, classes = data.validation.y, data.target.classes
    if classes:
        if data.target.kind == "binary":
            predicted = np.concatenate([1 - predicted, predicted], axis=1)
        named = [f"probability of {name}" for name in classes]
        targets = [[classes[label]] for label in labels]
        named_targets = ["target"]
    else:
        several = predicted.shape[1] > 1
        named = [f"prediction {i}" for i in range(predicted.shape[1])] if several else ["prediction"]
        named_targets = [f"target {i}" for i in range(predicted.shape[1])] if several else ["target"]
        targets = [[repr(float(value)) for value in row] for row in labels]
    path = run_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["row", *named_targets, *named])
        for row, target, values in zip(data.fold_rows, targets, predicted, strict=True):
            lines.writerow([int(row), *target, *(f"{value:.9g}" for value in values)])
    return path
