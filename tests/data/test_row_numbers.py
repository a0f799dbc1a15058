"""Columns that number the rows of a file, beside files of their own that begin anew."""

import csv
import random

import pytest

from trainrun.registry.construct import construct

ROWS, FEWER = 300, 120


def write(path, rows, first, seed):
    draw = random.Random(seed)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "cycle", "age", "y"])
        for i in range(rows):
            age = draw.randint(18, 90)
            table.writerow([first + i, 1 + i % 100, age, "old" if age + draw.gauss(0, 20) > 50 else "young"])
    return str(path)


@pytest.mark.parametrize("first", [1, 1001, 5000])
def test_files_of_their_own_may_begin_anew(tmp_path, first, capsys):
    """Numbers from 1 again, numbers of training rows, or later ones."""
    data = construct(
        "data",
        {
            "name": "csv",
            "path": write(tmp_path / "train.csv", ROWS, 1001, 0),
            "validation_path": write(tmp_path / "validation.csv", FEWER, first, 1),
            "test_path": write(tmp_path / "test.csv", FEWER, first, 2),
            "target": "y",
        },
    )
    about = [notice for notice in data.inferred["notices"] if "number the rows" in notice]
    assert len(about) == 1 and ": id." in about[0] and "data.exclude=[id]" in about[0]
