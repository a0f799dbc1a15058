"""Raw rows from examples: those of the file."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from trainrun.data.csv import csv as load
from trainrun.data.preprocessor import Preprocessor
from trainrun.model import raw_examples


def test_ranks_truth_values_and_times_come_back_as_in_the_file(tmp_path):
    rng = np.random.default_rng(0)
    rows = 300
    table = pd.DataFrame(
        {
            "size": rng.choice(["S", "M", "L", ""], rows, p=[0.5, 0.2, 0.2, 0.1]),
            "member": rng.choice(["yes", "no", ""], rows, p=[0.6, 0.3, 0.1]),
            "sold": [f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(rows)],
            "seen": [f"2024-{i % 12 + 1:02}-{i % 28 + 1:02} {i % 5 * 6 % 24:02}:00" for i in range(rows)],
            "part": ["train"] * 180 + ["validation"] * 60 + ["test"] * 60,
            "y": rng.choice(["a", "b"], rows),
        }
    )
    table.to_csv(tmp_path / "own.csv", index=False)
    data = load(path=str(tmp_path / "own.csv"), target="y", ordinal={"size": ["S", "M", "L"]}, part="part")
    rounding = np.float32(3e-7)
    for (part, split), error in itertools.product(data.parts.items(), (-rounding, rounding)):
        raw = raw_examples.of(split.x + error, Preprocessor.of(data))
        rows_of_part = table[table["part"] == part]
        assert raw["size"].ravel().tolist() == rows_of_part["size"].tolist()
        assert raw["member"].ravel().tolist() == rows_of_part["member"].tolist()
        for name in ("sold", "seen"):
            times = pd.to_datetime(rows_of_part[name])
            np.testing.assert_allclose(
                raw[name].ravel(), (times - pd.Timestamp(0)).dt.total_seconds(), rtol=0, atol=0.1
            )
            back = pd.to_datetime(raw[name].ravel(), unit="s")
            assert back.date.tolist() == times.dt.date.tolist(), "midnight is not the day before"
