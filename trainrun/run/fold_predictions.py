"""The predictions of a model for the fold that it was not trained on: `fold_predictions.csv` in the run's directory."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from trainrun.data.dataset import Dataset
from trainrun.run.evaluation import Evaluation
from trainrun.trainer.job import Job
from trainrun.util import paths

FILE = "fold_predictions.csv"


def write(job: Job, run_dir: Path, measured: Evaluation) -> Path | None:
    """Write a line for each example of the fold: its row in the table, its target, the prediction.

    Args:
        job: with the trained model, on one device.
        run_dir: the run's directory.
        measured: has the predictions, or computes them.

    Returns:
        The file, or None if the validation part is no fold.
    """
    data = job.dataset
    if data.fold_rows is None or job.validation is None:
        return None
    predicted = measured.output(job, "validation")
    columns: dict[str, Any] = {"row": data.fold_rows.tolist()}
    for name, one in data.each().items():
        columns |= _columns(one, predicted[name] if name else predicted, f"{name} " if name else "")
    path = run_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows(zip(*columns.values(), strict=True))
    return path


def _columns(data: Dataset, predicted: np.ndarray, prefix: str) -> dict[str, list[Any]]:
    """Return the columns of a target, named as in a file of several with a prefix."""
    predicted = np.asarray(predicted, "float64").reshape(len(predicted), -1)
    labels, classes = data.validation.y, data.target.classes
    if classes:
        if data.target.kind == "binary":
            predicted = np.concatenate([1 - predicted, predicted], axis=1)
        named = [f"probability of {name}" for name in classes]
        targets = [[classes[label] for label in labels]]
        named_targets = ["target"]
    else:
        several = predicted.shape[1] > 1
        named = [f"prediction {i}" for i in range(predicted.shape[1])] if several else ["prediction"]
        named_targets = [f"target {i}" for i in range(predicted.shape[1])] if several else ["target"]
        targets = [[repr(float(value)) for value in column] for column in labels.T]
    texts = [[f"{value:.9g}" for value in column] for column in predicted.T]
    return {
        f"{prefix}{name}": column
        for name, column in zip([*named_targets, *named], [*targets, *texts], strict=True)
    }
