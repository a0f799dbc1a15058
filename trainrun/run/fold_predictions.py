"""The predictions of a model for the fold that it was not trained on: `fold_predictions.csv` in the run's directory."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from trainrun.data import scoring
from trainrun.data.dataset import Dataset
from trainrun.run.evaluation import Evaluation
from trainrun.trainer.job import Job
from trainrun.util import paths

FILE = "fold_predictions.csv"


def write(job: Job, run_dir: Path, measured: Evaluation) -> Path | None:
    """Write a line for each example of the fold: its row in the table, its file if it is one, its target, the prediction.

    Args:
        job: with the trained model, on one device.
        run_dir: the run's directory.
        measured: has the predictions, or computes them.

    Returns:
        The file, or None if the validation part is no fold, or each pixel has a class.
    """
    data = job.dataset
    if data.fold_rows is None or job.validation is None or (data.target.classes and data.target.shape):
        return None
    predicted = measured.output(job, "validation")
    columns: dict[str, Any] = {"row": data.fold_rows.tolist()}
    files = data.inferred.get("files", {}).get("validation", ())
    if len(files) == len(data.fold_rows):  # not of a part that was reduced
        columns["file"] = files
    for name, one in data.each().items():
        of_output = _columns(one, predicted[name] if name else predicted)
        columns |= {scoring.column_name(c, name) if name else c: values for c, values in of_output.items()}
    path = run_dir / FILE
    with paths.whole(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows(zip(*columns.values(), strict=True))
    return path


def _columns(data: Dataset, predicted: np.ndarray) -> dict[str, list[Any]]:
    """Return the columns of a target, the predictions named as by `trainrun predict`."""
    predicted = np.asarray(predicted, "float64").reshape(len(predicted), -1)
    labels, kind, classes = data.validation.y, data.target.kind, data.target.classes
    named = scoring.columns(predicted, {"kind": kind, "classes": classes})
    if kind == "real":
        targets = [[repr(float(value)) for value in column] for column in labels.T]
        target_names = [name.replace("prediction", "target") for name in named]
    else:
        del named["prediction"]  # at 0.5, which need not be the model's threshold
        several = (
            [labels_of_row.nonzero()[0] for labels_of_row in labels]
            if kind == "multilabel"
            else labels[:, None]
        )
        targets, target_names = [[";".join(classes[i] for i in of_row) for of_row in several]], ["target"]
    texts = {name: [f"{value:.9g}" for value in column] for name, column in named.items()}
    return dict(zip(target_names, targets, strict=True)) | texts
