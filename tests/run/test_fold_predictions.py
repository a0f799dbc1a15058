"""`fold_predictions.csv`: targets as in the table, predictions in the columns of `trainrun predict`."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec
from trainrun.run import fold_predictions

X = np.zeros((3, 1), "float32")


@pytest.mark.parametrize(
    ("target", "y", "output", "expected"),
    [
        (
            TargetSpec("multilabel", ("a b", "c", "d"), 3), [[1, 0, 1], [0, 0, 0], [0, 1, 0]], [[0.9, 0.1, 0.8]] * 3,
            [["row", "target", "probability_a b", "probability_c", "probability_d"], *([str(i), text, "0.9", "0.1", "0.8"] for i, text in enumerate(("a b;d", "", "c")))],
        ),
        (
            TargetSpec("binary", ("no", "yes")), [1, 0, 1], [[0.25]] * 3,
            [["row", "target", "probability_no", "probability_yes"], *([str(i), text, "0.75", "0.25"] for i, text in enumerate(("yes", "no", "yes")))],
        ),
        (
            TargetSpec("real", (), 2), [[1.5, 2.0]] * 3, [[1.0, 2.5]] * 3,
            [["row", "target_0", "target_1", "prediction_0", "prediction_1"], *([str(i), "1.5", "2.0", "1", "2.5"] for i in range(3))],
        ),
        (TargetSpec("multiclass", ("sky", "sea", "land"), 3, (1, 1)), [[[0]]] * 3, [[[[0.5, 0.25, 0.25]]]] * 3, None),
    ],
)  # fmt: skip
def test_columns_of_each_kind_of_target(tmp_path, target, y, output, expected):
    inputs = (InputSpec("x", "numeric", (1,)),)
    split = Split(X, np.array(y))
    data = Dataset("t", "classification", inputs, target, split, split, fold_rows=np.arange(3))
    job = SimpleNamespace(dataset=data, validation=split)
    path = fold_predictions.write(job, tmp_path, SimpleNamespace(output=lambda *_: np.array(output)))
    assert expected == (None if path is None else [*csv.reader(path.read_text().splitlines())])
