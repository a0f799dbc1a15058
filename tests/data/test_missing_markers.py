"""Numbers that stand for missing values, such as -999, and the way out that is told, against pandas and scikit-learn's tables."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from trainrun.commands import check
from trainrun.data import _missing_markers
from trainrun.data.csv import csv
from trainrun.hydra_bridge import preflight

ROWS = 400


def with_marker(values, marker, share=0.02):
    """Return values of which a share is replaced by a marker."""
    values = np.array(values, "float64")
    values[:: round(1 / share)] = marker
    return values


DRAW = np.random.default_rng(0)
AGES, METERS, PERCENT = DRAW.integers(18, 80, ROWS), DRAW.integers(0, 3000, ROWS), DRAW.uniform(0, 20, ROWS)
DAYS = DRAW.integers(1, 900, ROWS)


@pytest.mark.parametrize(
    ("values", "marker"),
    [(AGES, -999), (AGES, 999), (AGES, 9999), (METERS, -999), (PERCENT, -99), (PERCENT, 999.9), (PERCENT - 10, 9999), (METERS, -32768), (DAYS, -1)],
)  # fmt: skip
def test_a_marker_is_found(values, marker):
    column = with_marker(values, marker)
    found, share = _missing_markers.of_numbers(column)
    assert found == marker and share == (column == marker).mean()
    gaps = np.where(np.arange(ROWS) % 7 == 3, np.nan, column)
    assert _missing_markers.of_numbers(gaps)[0] == marker


@pytest.mark.parametrize(
    ("values", "marker"),
    [
        (AGES, 99),  # an age
        (METERS * 2, 9999),  # a height
        (METERS - 2000, -999),  # below sea level
        (METERS * 10 - 20_000, -999),
        (np.arange(ROWS) % 8 + 1, 99),  # codes
        (np.arange(ROWS) % 12, -1),  # the basement
        (AGES, 1000),
    ],
)
def test_a_number_that_may_be_one_of_them_is_none(values, marker):
    assert _missing_markers.of_numbers(with_marker(values, marker)) is None
    assert _missing_markers.of_numbers(np.array(values, "float64")) is None


def test_a_single_outlier_is_no_marker():
    assert _missing_markers.of_numbers(np.append(AGES, -999.0)) is None
    assert _missing_markers.of_numbers(np.full(ROWS, np.nan)) is None


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud"])
def test_tables_of_scikit_learn_raise_no_false_alarm(name):
    frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    assert [c for c in frame if _missing_markers.of_numbers(frame[c].to_numpy("float64"))] == []


@pytest.mark.parametrize(
    ("marker", "form"),
    [
        ("9999-12-31", "%Y-%m-%d"),
        ("9999-12-31 00:00:00", "%Y-%m-%d %H:%M:%S"),
        ("01.01.1900", "%d.%m.%Y"),
        ("-9,999.00", None),
    ],
)
def test_markers_in_other_notations_are_told_as_they_are_written(marker, form, tmp_path):
    days = pd.Timestamp("2015-03-01") + pd.to_timedelta(DAYS, "D")
    values = [f"{day:,.2f}" for day in DAYS + 900.0] if form is None else days.strftime(form)
    rows = [f'"{marker if i % 20 == 0 else v}",{"ab"[i % 2]}' for i, v in enumerate(values)]
    (tmp_path / "t.csv").write_text("\n".join(["when,y", *rows]) + "\n")
    arguments = {"path": str(tmp_path / "t.csv"), "target": "y"}
    (notice,) = csv(**arguments).inferred["notices"]
    assert f"when ({marker} in 5.0% of the rows)" in notice
    assert notice.endswith(f"'data.na_values=[\"{marker}\"]'.")
    data = csv(**arguments, na_values=[marker])
    assert (
        data.preprocessing["missing"]["when"]
        == pd.read_csv(tmp_path / "t.csv", na_values=[marker])["when"].isna().sum()
    )
    assert data.inferred["notices"] == []


def test_dates_that_may_be_some_of_the_others_are_no_markers():
    born = (pd.Timestamp("1910-01-01") - pd.Timestamp(0)).total_seconds() + METERS * 12 * 86_400.0
    first = (pd.Timestamp("1900-01-01") - pd.Timestamp(0)).total_seconds()
    assert _missing_markers.of_numbers(with_marker(born, first), are_dates=True) is None


@pytest.mark.parametrize("written", ["-999", "-999.0", "-999.00"])
def test_the_way_out_reads_what_pandas_reads(written, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{written if i % 20 == 0 else age},{'NA' if i % 9 == 0 else i % 5},{'ab'[i % 2]}"
        for i, age in enumerate(AGES)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["age,stars,y", *rows]) + "\n")
    overrides = ["data=csv", "data.path=t.csv", "data.target=y"]
    assert check.main(overrides) == 0
    message = " ".join("".join(capsys.readouterr()).split())
    assert "numbers that seem to stand for missing ones: age (-999 in 5.0% of the rows)" in message
    (typed,) = shlex.split(re.search(r"If they do: (.*?\])'?\.", message)[1] + "'")
    assert typed == 'data.na_values=[-999,"NA"]'
    config, problems = preflight.overrides([*overrides, typed])
    assert not problems
    data = csv(path="t.csv", target="y", na_values=config["data"]["na_values"])
    missing = pd.read_csv("t.csv", na_values=[-999]).isna().sum()
    assert data.preprocessing["missing"] == {"age": missing["age"], "stars": missing["stars"]}
    assert data.inferred["notices"] == []
