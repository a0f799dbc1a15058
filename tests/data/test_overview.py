"""What is said of a dataset before training, and what is almost surely wrong with a table."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from trainrun.data import overview
from trainrun.registry.construct import construct

ROWS = 300


@pytest.fixture
def load(tmp_path, capsys):
    """Write a table of columns, load it, and return the dataset and what was printed."""

    def load(columns, target="y", **arguments):
        path = tmp_path / "t.csv"
        names = [f'"{name}"' for name in columns]
        rows = [",".join(f'"{value}"' for value in row) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join([",".join(names), *rows]) + "\n")
        data = construct("data", {"name": "csv", "path": str(path), "target": target, **arguments})
        return data, " ".join("".join(capsys.readouterr()).split())

    return load


def columns(**more):
    draw = random.Random(0)
    labels = [draw.random() < 0.3 for _ in range(ROWS)]
    return {
        "age": [draw.randint(18, 90) for _ in labels],
        "rate": [f"{draw.random() * 100:.1f}%" for _ in labels],
        "city": [draw.choice(["Rome", "Oslo", "Lima"]) for _ in labels],
        "sold": [f"2021-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}" for _ in labels],
        "member": [draw.choice(["yes", "no"]) for _ in labels],
        **more,
        "y": [("stays", "gone")[label] for label in labels],
    }


def test_the_lines_say_what_was_understood(load):
    table = columns()
    table["age"][3:9] = [""] * 6
    table["y"][0] = ""
    data, printed = load(table, missing="auto")
    described = overview.of(data)
    lines = list(overview.lines(described))
    gone = table["y"][1:].count("gone")
    assert (
        lines[0]
        == "data: t, 299 examples (train 179, validation 60, test 60; drawn at random); binary classification of y"
    )
    assert lines[1] == f"classes: stays {1 - gone / 299:.1%}, gone {gone / 299:.1%} (positive)"
    kinds = "numbers (age), numbers as 1,234.5% (rate), categories (city), dates as year-month-day (sold), truth values no/yes (member)"
    assert lines[2] == f"columns: {kinds}"
    assert (
        lines[3]
        == f"missing values imputed: age 6 with {data.preprocessing['fill']['age']:g}, and an indicator column for each"
    )
    assert lines[4] == "rows left out: 1, with missing values" and len(lines) == 5
    assert json.loads(json.dumps(described)) == described and described["notices"] == []
    assert "warning" not in printed
    tags = overview.tags(described)
    assert (
        tags["data.positive_class"] == "gone"
        and tags["data.rows_left_out"] == "1"
        and tags["data.imputed"] == "age"
    )


def test_dates_percentages_and_truth_values_are_numbers(load):
    table = columns()
    data, _ = load(table, standardize=False, validation=0, test=0)
    assert data.features == ("age", "rate", "member", "sold year", "sold month", "sold day", "sold weekday")
    x = data.train.x["numeric"]
    np.testing.assert_allclose(x[:, 1], [float(text[:-1]) for text in table["rate"]], rtol=1e-6)
    np.testing.assert_array_equal(x[:, 2], [text == "yes" for text in table["member"]])
    np.testing.assert_array_equal(x[:, 4], [int(text[5:7]) for text in table["sold"]])
    plain, _ = load(table, formats="plain", validation=0, test=0)
    assert plain.preprocessing["columns"]["categorical"] == ["rate", "city", "sold", "member"]
    named, _ = load(table, categorical=["city", "sold"])
    assert named.preprocessing["columns"]["categorical"] == ["city", "sold"]
    prices = {"x": list(range(40)), "y": [f"{1000 + 37 * i:,}.50" for i in range(40)]}
    priced, _ = load(prices, validation=0, test=0)
    np.testing.assert_array_equal(priced.train.y[:, 0], [1000.5 + 37 * i for i in range(40)])


def test_a_missing_date_is_imputed_as_one(load):
    table = columns()
    table["sold"][5] = ""
    data, _ = load(table, standardize=False, validation=0, test=0)
    median = sorted(text for text in table["sold"] if text)[149]
    assert data.preprocessing["fill"]["sold"] == median
    row = dict(zip(data.features, data.train.x["numeric"][5], strict=True))
    assert [row["sold year"], row["sold month"], row["sold day"]] == [int(part) for part in median.split("-")]
    assert row["sold is missing"] == 1


DRAW = random.Random(1)
LABELS = columns()["y"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"id": [f"C{i:05}" for i in range(ROWS)]}, "id 300 in 300 rows ('C00000' …). Categories that hardly repeat say nothing about new rows. Leave them out: data.exclude=[id]."),
        ({"Unnamed: 0": range(ROWS)}, "columns that number the rows: Unnamed: 0."),
        ({"": range(ROWS)}, "(without a name). They say nothing about new rows. Leave them out: 'data.exclude=[\"\"]'."),
        ({"key": DRAW.sample(range(1000, 1000 + ROWS), ROWS)}, "columns that number the rows: key."),
        ({"unit": ["kg"] * ROWS, "zero": [0] * ROWS}, "columns with one value only: unit, zero. Leave them out: data.exclude=[unit,zero]."),
        ({"left": ["3" if y == "gone" else "-" for y in LABELS]}, "can be read off one column alone: left."),
        ({"score": [DRAW.random() + (y == "gone") for y in LABELS]}, "can be read off one column alone: score."),
        ({"shop": [f"s{i % 150}" if i < 150 else f"s{i}" for i in range(ROWS)], "u": [DRAW.random() for _ in LABELS]}, "Categories that hardly repeat"),
    ],
)  # fmt: skip
def test_a_likely_fault_is_reported_with_the_way_out(load, more, expected):
    data, printed = load(columns(**more))
    assert expected in printed and len(data.inferred["notices"]) == 1


def test_repeated_rows_and_unseen_categories_are_reported(load):
    twice = {name: [*values, *values] for name, values in columns().items()}
    _, printed = load(twice)
    assert "of the 120 test rows have the same features as a training row" in printed
    few = {"a": [i % 3 for i in range(ROWS)], "y": [i // 3 % 2 for i in range(ROWS)]}
    assert "same features" not in load(few)[1]  # there are but three different rows
    shops = columns(shop=[f"s{i // 3}" for i in range(ROWS)])
    assert "whose category" not in load(shops)[1]


def test_a_feature_that_copies_a_real_target_is_reported(load):
    price = [DRAW.random() * 1000 for _ in range(ROWS)]
    table = {
        "area": [p + 300 * DRAW.random() for p in price],
        "cents": [round(100 * p) for p in price],
        "price": price,
    }
    assert "can be read off one column alone: cents." in load(table, "price")[1]
    assert "numbers the rows" in load({"area": price, "n": range(ROWS)}, "n")[1]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_packaged_data_raises_no_false_alarm(load, name):
    import sklearn.datasets

    frame = getattr(sklearn.datasets, f"load_{name}")(
        as_frame=True, **({"scaled": False} if name == "diabetes" else {})
    ).frame
    for seed in range(3):
        data, printed = load({column: frame[column].tolist() for column in frame}, "target", seed=seed)
        assert data.inferred["notices"] == [] and "warning" not in printed


def test_every_dataset_has_an_overview():
    digits = overview.of(construct("data", "digits"))
    assert list(overview.lines(digits)) == [
        "data: digits, 1,797 examples (train 1,079, validation 359, test 359); classification",
        "classes: 10, each 9.7% to 10.2% of the examples",
    ]
    assert digits["inputs"] == [{"kind": "image", "shape": [8, 8, 1]}]
    diabetes = overview.of(construct("data", "diabetes"))
    assert "target: 25 to 346, mean 152.133" in overview.lines(diabetes)
    assert not list(overview.lines(overview.of(construct("data", "none"))))


def test_the_digest_of_a_column_changes_with_its_values_alone(load):
    table = columns()
    before = overview.of(load(table)[0])["digests"]
    table["city"][7] = "Cairo"
    table["age"][9] = 17
    after = overview.of(load(table)[0])["digests"]
    assert [name for name in before if before[name] != after[name]] == ["age", "city"] and "y" in after
