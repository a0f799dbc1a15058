"""What is said of a dataset before training, and what is almost surely wrong with a table."""

from __future__ import annotations

import json
import math
import random
import re

import numpy as np
import pytest

from trainrun.data import _table_leaks, overview
from trainrun.data._table import Column, Table
from trainrun.data._table_examples import Examples
from trainrun.data.dataset import TargetSpec
from trainrun.errors import UserError
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
    assert (
        lines[4]
        == "rows left out: 1 (a missing target, item, weight, group, time or part, or data.missing=drop)"
        and len(lines) == 5
    )
    assert json.loads(json.dumps(described)) == described and described["notices"] == []
    assert "warning" not in printed
    tags = overview.tags(described)
    assert (
        tags["data.positive_class"] == "gone"
        and tags["data.rows_left_out"] == "1"
        and tags["data.imputed"] == f"age 6 with {data.preprocessing['fill']['age']:g}"
        and "data.notices" not in tags
    )
    notices = ["ids: leave them out.", "x" * 9000]
    tagged = overview.tags({**described, "notices": notices})["data.notices"]
    assert tagged == "\n".join(notices)[:5000]


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
        ({"": range(ROWS)}, "columns that seem to number the rows (different integers, in order or without gaps): Unnamed: 5. Row numbers and ids say nothing about new rows. Leave them out: 'data.exclude=[\"Unnamed: 5\"]'."),
        ({"key": DRAW.sample(range(1000, 1000 + ROWS), ROWS)}, "columns that seem to number the rows (different integers, in order or without gaps): key."),
        ({"plan": ["pro", "basic", "Pro"] * (ROWS // 3) + ["pro"] * (ROWS % 3)}, "categories that look the same or differ in case only: plan ('"),
        ({"set": [("train", "Test", "train")[i % 3] for i in range(ROWS)]}, "column set has the values Test, train, and is a feature. If it says which part a row belongs to: data.part=set."),
        ({"the set": [("train", "val", "test")[i % 3] for i in range(ROWS)]}, "belongs to: 'data.part=\"the set\"'. If not, or to divide anew, leave it out: 'data.exclude=[\"the set\"]'."),
        ({"unit": ["kg"] * ROWS, "zero": [0] * ROWS}, "columns with one value only: unit, zero. Leave them out: data.exclude=[unit,zero]."),
        ({"left": ["3" if y == "gone" else "-" for y in LABELS]}, "can be read off one column alone: left."),
        ({"score": [DRAW.random() + (y == "gone") for y in LABELS]}, "can be read off one column alone: score."),
        ({"nr": [10 + 7 * i for i in range(ROWS)]}, "columns that seem to number the rows (different integers, in order or without gaps): nr. Row numbers and ids say nothing about new rows. Leave them out: data.exclude=[nr]. If it is a time: data.time=nr."),
        ({"Unnamed: 0": DRAW.sample(range(9 * ROWS), ROWS)}, "columns that seem to number the rows (different integers, in order or without gaps): Unnamed: 0."),
        ({"end": ["" if y == "stays" else DRAW.random() for y in LABELS]}, "can be read off one column alone: end."),
        ({"tax": ["n.a." if i % 40 == 0 else f"{i / 7:.1f}%" for i in range(ROWS)]}, "Most values of tax are numbers as 1,234.5%; mend the others: 'n.a.'. If 'n.a.' marks a missing value: 'data.na_values=[\"n.a.\"]'."),
        ({"sent": [f"{1 + i % 28:02}.0{1 + i // 28 % 2}.2021" if i % 9 == 0 else f"2021-0{1 + i // 28 % 2}-{1 + i % 28:02}" for i in range(ROWS)]}, "categories most of which are dates or numbers: sent (dates as year-month-day; but '01.01.2021'). Write the others alike"),
        ({"rate": [f"{i % 40 / 7:.1f}" if i % 5 == 0 else f"{i % 39}.5%" for i in range(ROWS)]}, "rate (numbers as 1,234.5%; but '"),
        ({"note": [f"the {i} th said so" for i in range(ROWS)]}, "To learn from the text: data.text=[note]."),
        ({"paid": [f"{1 + i % 28} {('Feb', 'March')[i % 2]} {1700 + i}" for i in range(ROWS)]}, "read as categories or as plain numbers: paid (1 Feb 1700). Write them as 2013-02-01, and the model gets year, month, day and weekday; or leave them out: data.exclude=[paid]."),
        ({"paid": [("Jan-{0}", "Feb-{0}", "Dec-{0}")[i % 3].format(10 + i // 3 % 90) for i in range(ROWS)]}, "read as categories or as plain numbers: paid (Dec-10). Write them as 2013-02-01"),
        ({"paid": [f"{1 + i % 12:02}/{1 + i // 12:02}/99" for i in range(ROWS)]}, "read as categories or as plain numbers: paid (01/01/99)."),
        ({"paid": [f"{1990 + i // 4 % 30}Q{1 + i % 4}" for i in range(ROWS)]}, "read as categories or as plain numbers: paid (1990Q1)."),
        ({"paid": [f"{('Jan', 'Feb')[i % 2]}-{1 + i % 28}-{1995 + i % 20}" for i in range(ROWS)]}, "read as categories or as plain numbers: paid (Feb-"),
        ({"paid": [f"{1950 + i // 12}:{1 + i % 12}" for i in range(ROWS)]}, "read as categories or as plain numbers: paid (1950:1)."),
        ({"paid": [f"{1950 + i // 12}M{1 + i % 12}" for i in range(ROWS)]}, "read as categories or as plain numbers: paid (1950M1)."),
        ({"paid": [20210101 + 100 * (i % 12) + i % 28 for i in range(ROWS)]}, "read as categories or as plain numbers: paid (20210101)."),
        ({"load": [f"{i % 90 + i / 1000:,.3f} kg" for i in range(ROWS)]}, "numbers with a unit that are read as categories: load ('0.000 kg'). Write them without it, and the model gets their size"),
        ({"age": [f"{i % 5} year{'s' * (i % 5 != 1)}" for i in range(ROWS)]}, "numbers with a unit that are read as categories: age ('0 years')."),
        ({"engine": [f"{(9, 12, 16)[i % 3]}00CC" for i in range(ROWS)]}, "numbers with a unit that are read as categories: engine ('1200CC')."),
        ({"shop": [f"s{i % 150}" if i < 150 else f"s{i}" for i in range(ROWS)], "u": [DRAW.random() for _ in LABELS]}, "Categories that hardly repeat"),
    ],
)  # fmt: skip
def test_a_likely_fault_is_reported_with_the_way_out(load, more, expected):
    data, printed = load(columns(**more))
    assert expected in printed and len(data.inferred["notices"]) == 1


@pytest.mark.parametrize(
    ("separators", "value", "way_out"),
    [
        ({"decimal": "point"}, lambda i: f"{i / 7:.2f}".replace(".", ","), "data.decimal=comma."),
        ({"decimal": "comma"}, lambda i: f"{i / 7:.2f}", "data.decimal=point."),
        ({"decimal": "comma"}, lambda i: f"1.{i % 9:03},5", "data.decimal=comma data.thousands=point."),
        ({"thousands": "comma"}, lambda i: f"1 {i % 9:03}", "data.decimal=point data.thousands=blank."),
    ],
)
def test_numbers_by_other_separators_than_those_set_are_reported(load, separators, value, way_out):
    price = [value(i) for i in range(ROWS)]
    data, _ = load(
        columns(price=price, rate=range(ROWS), rank=["1,2", "3,4"] * 150),
        **separators,
        categorical=["rank"],
        exclude=["rate"],
    )
    (notice,) = data.inferred["notices"]
    assert "read as categories or classes" in notice and f": price ('{max(price)}')" in notice
    assert notice.endswith(f"Take {way_out}") and "rank" not in notice
    with pytest.raises(UserError, match=f"not a number .* Take {way_out[:-1]}, or mend them"):
        load({"y": price, "x": range(ROWS)}, **separators, task="regression")


@pytest.mark.parametrize(("part", "name"), [(0, "training"), (1, "validation"), (2, "test")])
def test_a_column_without_a_value_in_one_part_is_reported(load, part, name):
    named = ("train", "validation", "test")
    table = columns(part=[named[i % 3] for i in range(ROWS)])
    table["late"] = ["" if i % 3 == part else DRAW.random() for i in range(ROWS)]
    table["rare"] = [DRAW.random() if i in (15, 31) else "" for i in range(ROWS)]
    table["some"] = ["" if i % 3 == part and i > 2 else DRAW.random() for i in range(ROWS)]
    data, _ = load(table, part="part")
    message = f"columns without any value in the {name} rows, but with some in others: late. Fill them, or leave them out: data.exclude=[late]."
    assert [text for text in data.inferred["notices"] if "without any" in text] == [message]


def test_repeated_rows_and_unseen_categories_are_reported(load):
    twice = {name: [*values, *values] for name, values in columns().items()}
    _, printed = load(twice)
    assert "of the 120 test rows have the same features and target as a training row" in printed
    few = {"a": [i % 3 for i in range(ROWS)], "y": [i // 3 % 2 for i in range(ROWS)]}
    assert "same features" not in load(few)[1]  # there are but three different rows
    twice["y"] = [DRAW.choice("ab") for _ in twice["y"]]
    assert "same features" not in load(twice)[1]  # people who answer alike are no copies
    shops = columns(shop=[f"s{i // 3}" for i in range(ROWS)])
    assert "whose category" not in load(shops)[1]


@pytest.mark.parametrize("differ", ["a", "e"])
def test_rows_are_repeated_if_they_are_equal_in_all_of_many_columns(load, differ):
    table = {name: [DRAW.random() for _ in range(ROWS)] * 2 for name in "abcde"}
    table["y"] = [i % 2 for i in range(ROWS)] * 2
    assert "of the 120 test rows have the same features and target" in load(table)[1]
    table[differ] = [DRAW.random() for _ in range(2 * ROWS)]
    assert "same features" not in load(table)[1]


def test_a_feature_that_copies_a_real_target_is_reported(load):
    price = [DRAW.random() * 1000 for _ in range(ROWS)]
    table = {
        "area": [p + 300 * DRAW.random() for p in price],
        "cents": [round(100 * p) for p in price],
        "price": price,
    }
    assert "can be read off one column alone: cents." in load(table, "price")[1]
    logarithms = {"log": [f"{math.log(p):.6f}" for p in price], "price": price}
    assert "can be read off one column alone: log." in load(logarithms, "price")[1]
    assert "seems to number the rows" in load({"area": price, "n": range(ROWS)}, "n")[1]


def test_a_copy_of_a_target_is_found_by_its_ranks_among_all_rows():
    from scipy import stats

    drawn = np.random.RandomState(0).randn(20_000)
    rare, odd = np.where(drawn > 3, drawn, 0.0), np.arange(20_000)
    for numbers, labels, copies in (
        (np.exp(9 * drawn), drawn, True),
        (np.exp(9 * drawn), drawn + 0.05 * drawn[::-1], False),
        (rare, np.exp(9 * rare), True),
        (rare, np.roll(rare, 1), False),
        (np.where(odd == 60, -99, np.exp(9 * drawn)), drawn, True),
        (np.exp(9 * drawn), np.abs(drawn), False),
    ):
        ranks = [stats.rankdata(values, "dense") for values in (numbers, labels)]
        by_scipy = [
            abs(stats.pearsonr(*pair)[0]) >= _table_leaks.CORRELATED for pair in ((numbers, labels), ranks)
        ]
        column, target = Column(numbers), TargetSpec("real")
        table = Table({"a": column}, len(numbers))
        examples = Examples(table, odd, labels[:, None], target, {}, np.zeros(len(odd), "int16"))
        found = _table_leaks.columns(table.columns, examples) == ["a"]
        assert found == any(by_scipy) == copies


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"id": [f"C{i}" for i in range(ROWS)], "unit": ["kg"] * ROWS, "y": LABELS},
         "no column says anything about new rows (id: the categories hardly repeat; unit: one value only)."),
        ({"age": columns()["age"], "y": ["None", "Mild"] * (ROWS // 2)}, "column y has one value only, 'Mild'; there is nothing to tell apart. Missing: 150 ('None' 150 times). If that is a value of its own: data.na_values=[]."),
        ({"age": columns()["age"], "y": [3.5] * ROWS}, "column y has one value only, '3.5'"),
    ],
)  # fmt: skip
def test_a_table_from_which_nothing_can_be_learnt_is_refused(load, table, expected):
    with pytest.raises(UserError, match=re.escape(expected)):
        load(table)


def test_a_balanced_design_gives_nothing_away(load):
    """Each recipe was baked at each temperature: categories that tell nothing of the target."""
    rows = [(r, t, n) for n in range(9) for r in "ABC" for t in (175, 185, 195)]
    design = {"recipe": [r for r, *_ in rows], "angle": [DRAW.random() for _ in rows], "y": [t for _, t, _ in rows]}  # fmt: skip
    assert load(design)[0].inferred["notices"] == []


@pytest.mark.parametrize(
    "values",
    [
        ("10-20 years", "20-30 years", "40 years"),
        ("1st", "2nd", "3rd"),
        ("221 B", "12 A", "7 C"),
        ("3 kg", "2 kg"),
    ],
)
def test_categories_that_begin_with_a_number_raise_no_false_alarm(load, values):
    data, _ = load(columns(code=[values[i * i % 7 % len(values)] for i in range(ROWS)]))
    assert data.inferred["notices"] == []


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
