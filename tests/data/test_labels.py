"""Targets of a table: several labels in a field, classes with an order; ordinal columns; what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MultiLabelBinarizer, OrdinalEncoder

import trainrun
from trainrun.data import overview, table_rows
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight

TAGS = ["drama; comedy", "", "comedy", "horror ;drama", "NA"] * 12
SIZES = ["S", "L", "M", "XL", "M"] * 12
LEVELS = ["S", "M", "L", "XL"]


@pytest.fixture(params=["csv", "parquet"])
def table(inside, request):
    frame = pd.DataFrame({"a": np.arange(60.0), "size": SIZES, "tags": TAGS, "b": np.arange(60) % 2})
    getattr(frame, f"to_{request.param}")(f"t.{request.param}", index=False)
    return request.param, f"t.{request.param}"


def test_labels_in_one_field(table):
    kind, path = table
    data = trainrun.build(
        "data", kind, path=path, target="tags", label_separator=";", na_values=["NA"], validation=0, test=0
    )
    expected = MultiLabelBinarizer().fit_transform(
        [[] if tags == "NA" else [tag.strip() for tag in tags.split(";") if tag] for tags in TAGS]
    )
    assert data.target.kind == "multilabel" and data.target.classes == ("comedy", "drama", "horror")
    np.testing.assert_array_equal(data.train.y, expected)
    fitted = Preprocessor.from_json(Preprocessor.of(data).to_json())
    pd.DataFrame({"a": [1.0], "size": ["S"], "b": [0], "tags": ["horror"]}).to_csv("new.csv", index=False)
    rows = table_rows.labelled(table_rows.open_rows("new.csv"), fitted, {"label_separator": ";"})
    assert rows.y.tolist() == [[0, 0, 1]]
    pd.DataFrame({"a": [1.0], "size": ["S"], "b": [0], "tags": ["western"]}).to_csv("new.csv", index=False)
    with pytest.raises(UserError, match="'western'"):
        table_rows.labelled(table_rows.open_rows("new.csv"), fitted, {"label_separator": ";"})


def test_the_shares_of_labels_are_of_the_examples(inside):
    pd.DataFrame({"a": range(40), "tags": ["x;y", "x"] * 20}).to_csv("t.csv", index=False)
    data = trainrun.build("data", "csv", path="t.csv", target="tags", label_separator=";")
    assert "classes: x 100.0%, y 50.0%" in overview.lines(overview.of(data))


def test_the_shares_of_many_classes_are_of_all_of_them(inside):
    classes = [f"c{i % 250}" for i in range(1000)] + ["c249"] * 1000
    pd.DataFrame({"a": range(2000), "y": classes}).to_csv("t.csv", index=False)
    data = trainrun.build("data", "csv", path="t.csv", target="y")
    assert "classes: 250, each 0.2% to 50.2% of the examples" in overview.lines(overview.of(data))


def test_ordinal_columns_are_ranks_and_ordinal_targets_keep_their_order(table):
    kind, path = table
    arguments = {"path": path, "exclude": ["tags"], "ordinal": {"size": LEVELS}, "validation": 0, "test": 0}
    data = trainrun.build("data", kind, target="b", standardize=False, **arguments)
    ranks = OrdinalEncoder(categories=[LEVELS]).fit_transform(np.array(SIZES)[:, None])
    np.testing.assert_array_equal(data.train.x[:, 1], ranks[:, 0])
    column = Preprocessor.from_json(Preprocessor.of(data).to_json()).columns[1]
    assert (column.kind, column.words) == ("ordinal", "ranks of S < M < L < XL")
    data = trainrun.build("data", kind, target="size", **arguments)
    assert data.target.classes == tuple(LEVELS)
    np.testing.assert_array_equal(data.train.y, ranks[:, 0])


def test_the_order_of_dates_is_as_named(inside):
    days = pd.date_range("2024-01-01", periods=60, freq="7D")
    texts = [day.strftime("%m/%d/%Y") if day.day <= 12 else "" for day in days]  # month or day first
    pd.DataFrame({"a": np.arange(60.0), "sold": texts, "b": np.arange(60) % 2}).to_csv("t.csv", index=False)
    arguments = {
        "path": "t.csv",
        "target": "b",
        "validation": 0,
        "test": 0,
        "standardize": False,
        "missing": "drop",
    }
    for order, form in (("dmy", "%d/%m/%Y"), ("mdy", "%m/%d/%Y")):
        data = trainrun.build("data", "csv", **arguments, dates={"sold": order})
        expected = pd.to_datetime(pd.Series([text for text in texts if text]), format=form)
        month, day = (data.features.index(f"sold {part}") for part in ("month", "day"))
        np.testing.assert_array_equal(data.train.x[:, month], expected.dt.month)
        np.testing.assert_array_equal(data.train.x[:, day], expected.dt.day)


FAULTS = {
    "data.ordinal={size: [S,M,L]}": ("path", "size: none of S, M, L in 12 of 60 rows: line 5 'XL', "),
    "data.ordinal={size: S}": ("data.ordinal", "from the lowest to the highest"),
    "data.ordinal={sise: [S,M]}": ("data.ordinal", "Did you mean size?"),
    "data.ordinal={tags: [S,M]}": ("data.ordinal", "neither a feature nor the target"),
    "data.target=size data.ordinal={size: [S,M,L]}": ("data.ordinal", "also has 'XL'"),
    "data.dates=[size]": ("data.dates", "column size has categories ('L'); expected dates"),
    "data.dates={size: dmy}": ("path", "size: no date as day-month-year in 60 of 60 rows: line 2 "),
    "data.dates={size: ydm}": ("data.dates", "dmy, mdy"),
    "data.target=size loss=ordinal": ("loss", "those of size are texts: L, M, S, XL. List them from the lowest to the highest: 'data.ordinal={size: ["),
    "data.target=size metric=cohen_kappa": ("metric.cohen_kappa", "alike: metric.cohen_kappa.weights=null."),
    "data.target=[size,a] loss={size: ordinal}": ("loss.size", "those of size are texts"),
    "data.text=tags": ("data.text", "expected a list, or keys with values, {key: value}, or null, got 'tags'. Write [tags]."),
    "data.validation_sets=t.csv": ("data.validation_sets", "expected keys with values, {key: value}, or null, got 't.csv'."),
    "data.target=[a,b] data.label_separator='|'": ("data.label_separator", "one column"),
    "data.task=multilabel": ("data.target", "or data.label_separator"),
    "threshold=f2": ("threshold", "balanced_accuracy"),
    "threshold=1.5": ("threshold", "between 0 and 1"),
    "threshold={fp: 1}": ("threshold", "{fp: 1, fn: 5}"),
    "threshold=f1 data.validation=0": ("threshold", "data.validation is 0"),
    "threshold=f1 data.target=size": ("threshold", "two classes"),
    "trainer.resample=oversample data.target=a": ("trainer.resample", "one class an example"),
    "trainer.resample=undersample trainer.class_weight=balanced": ("trainer.resample", "balances the classes as well"),
    "data.validation_sets={hard_one: t.csv}": ("data.validation_sets", "letters and digits"),
    "data.validation_sets={hard: t.csv} sweep.objective=val.soft_loss": ("sweep.objective", "data.validation_sets has hard."),
    "trainer.resample=both": ("trainer.resample", "oversample, undersample, or null"),
}  # fmt: skip


@pytest.mark.parametrize(
    "typed",
    [
        "data.target=size loss=ordinal data.ordinal={size: [S,M,L,XL]}",
        "data.target=size metric=cohen_kappa metric.cohen_kappa.weights=null",
        "metric=cohen_kappa",
        "data.target=stars loss=ordinal metric=cohen_kappa",
    ],
)
def test_classes_with_an_order_are_taken(typed, inside):
    frame = pd.DataFrame({"a": np.linspace(0, 1, 60), "size": SIZES, "b": np.arange(60) % 2})
    frame.assign(stars=np.arange(60) % 5 + 1).to_csv("t.csv", index=False)
    overrides = ["data=csv", "data.path=t.csv", "data.target=b", "tracking=none"]
    assert preflight.overrides([*overrides, *typed.replace(": ", ":").split(" ")])[1] == []


@pytest.mark.parametrize("typed", FAULTS)
def test_what_does_not_fit_is_refused(typed, inside):
    frame = pd.DataFrame({"a": np.linspace(0, 1, 60), "size": SIZES, "tags": TAGS, "b": np.arange(60) % 2})
    frame.to_csv("t.csv", index=False)
    overrides = ["data=csv", "data.path=t.csv", "data.target=b", "data.exclude=[tags]", "tracking=none"]
    _, problems = preflight.overrides([*overrides, *typed.replace(": ", ":").split(" ")])
    key, text = FAULTS[typed]
    assert any(key in str(p) and text in str(p) for p in problems), [str(p) for p in problems]
