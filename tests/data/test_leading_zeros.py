"""Digits with leading zeros, such as zip codes, which pandas reads as numbers, too."""

from __future__ import annotations

import gzip
import random

import pandas as pd
import pytest

from trainrun.data.csv import csv

CODES = ["01234", "02139", "90210", "10001", "60601", "33101"]
ROWS = 120


def write(path, quote="", **columns):
    """Write a CSV file of these columns and a target."""
    draw = random.Random(0)
    columns |= {"x": [draw.random() for _ in range(ROWS)], "y": [draw.choice("ab") for _ in range(ROWS)]}
    rows = [
        ",".join(f"{quote}{value}{quote}" for value in row) for row in zip(*columns.values(), strict=True)
    ]
    text = "\n".join([",".join(columns), *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def repeated(texts):
    draw = random.Random(1)
    return [draw.choice(texts) for _ in range(ROWS)]


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize(
    "codes",
    [CODES, [*CODES, ""], [*CODES, "NA"], ["0171204", "030227", "0891"], ["001", "017", "113"]],
    ids=["zip", "gaps", "words", "phones", "counties"],
)
def test_codes_that_are_read_as_numbers_are_told(tmp_path, capsys, codes, name, quote):
    path = write(tmp_path / name, quote, code=repeated(codes))
    assert pd.read_csv(path)["code"].dtype.kind in "if"  # as pandas does
    data = csv(path=str(path), target="y", validation=0, test=0)
    (notice,) = data.inferred["notices"]
    written = pd.read_csv(path, dtype=str)["code"].dropna().unique()
    assert any(f"code ('{text}')" in notice for text in written if text.startswith("0"))
    assert "data.categorical=[code]" in notice and "data.exclude=[code]" in notice
    assert notice in " ".join(capsys.readouterr().err.split())
    data = csv(path=str(path), target="y", categorical=["code"], validation=0, test=0)
    assert "leading zeros" not in str(data.inferred["notices"])
    assert sorted(data.preprocessing["categories"]["code"][1:]) == sorted(written)


@pytest.mark.parametrize("several", [False, True])
def test_codes_far_from_the_beginning_are_told(tmp_path, several):
    draw = random.Random(0)
    codes = [*(f"{10000 + i % 7000}" for i in range(30_000)), *(f"{1000 + i % 900:05}" for i in range(6_000))]
    rows = [f"{draw.random()},{code},{'ab'[i % 2]}" for i, code in enumerate(codes)]
    parts = [rows[:30_000], rows[30_000:]] if several else [rows]
    for i, part in enumerate(parts):
        (tmp_path / f"{i}.csv").write_text("\n".join(["x,code,y", *part]) + "\n")
    data = csv(path=str(tmp_path / "*.csv"), target="y")
    assert "digits with leading zeros that are read as numbers: code ('0" in str(data.inferred["notices"])


@pytest.mark.parametrize(
    "numbers",
    [
        ["01", "02", "11", "12"],  # months
        ["0.012", "00.5", "3"],
        ["-001", "002", "003"],
        ["000", "12", "7"],  # may mark a missing value
        ["1234", "2139"],
        ["0", "100"],
    ],
)
def test_other_numbers_are_not_told(tmp_path, numbers):
    data = csv(path=str(write(tmp_path / "t.csv", code=repeated(numbers))), target="y")
    assert data.inferred["notices"] == []


def test_numbers_of_rows_are_told_once(tmp_path):
    path = write(tmp_path / "t.csv", code=[f"{i:05}" for i in range(ROWS)])
    (notice,) = csv(path=str(path), target="y").inferred["notices"]
    assert "number the rows" in notice


def test_codes_in_names_of_folders_are_told(tmp_path):
    for code in CODES[:3]:
        (tmp_path / "all" / f"zip={code}").mkdir(parents=True)
        write(tmp_path / "all" / f"zip={code}" / "t.csv")
    data = csv(path=str(tmp_path / "all"), target="y")
    (notice,) = (text for text in data.inferred["notices"] if "leading zeros" in text)
    assert "zip ('02139')" in notice
