"""Windows of time series, against pandas and plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

import trainrun
from trainrun.data.preprocessor import Preprocessor
from trainrun.data.timeseries import describe
from trainrun.errors import UserError

RNG = np.random.default_rng(0)
DAYS = pd.date_range("2024-02-20", periods=50).strftime("%Y-%m-%d")


@pytest.fixture
def table(inside):
    """Two stores, 50 days each, the rows shuffled."""
    frame = pd.DataFrame(
        {"date": [*DAYS, *DAYS], "store": ["b"] * 50 + ["a"] * 50, "sales": RNG.normal(9, 3, 100), "price": RNG.random(100)}
    ).sample(frac=1, random_state=0)  # fmt: skip
    frame.to_csv("sales.csv", index=False)
    return frame.sort_values(["store", "date"])


def load(**arguments):
    return trainrun.build("data", "timeseries", path="sales.csv", target="sales", **arguments)


@pytest.mark.parametrize(("window", "horizon", "stride"), [(7, 1, 1), (5, 3, 2)])
def test_windows_and_what_follows_divided_by_time(table, window, horizon, stride):
    arguments = {"time": "date", "series": "store", "window": window, "horizon": horizon, "stride": stride}
    data = load(**arguments, standardize=False)
    expected = [[], [], []]
    for _, rows in table.groupby("store"):
        values = rows[["sales", "price"]].to_numpy()
        for start in range(0, 50 - window - horizon + 1, stride):
            days = range(start + window, start + window + horizon)
            parts = {0 if day < 30 else 1 if day < 40 else 2 for day in days}
            if len(parts) == 1:
                expected[parts.pop()].append((values[start : start + window], values[[*days], 0]))
    for part, pairs in zip((data.train, data.validation, data.test), expected, strict=True):
        np.testing.assert_array_equal(part.x, np.array([x for x, _ in pairs], "float32"))
        np.testing.assert_array_equal(part.y, np.array([y for _, y in pairs]))
    known = describe(path="sales.csv", target="sales", **arguments)
    assert (known.examples, known.outputs, known.inputs) == (len(data.train), horizon, ("numeric",))


@pytest.mark.parametrize("size", [None, 8], ids=["expanding", "rolling"])
def test_folds_are_those_of_scikit_learn(table, size):
    # 40 days before the test part; a window of one day, so that each day but the first is predicted.
    days = TimeSeriesSplit(4, max_train_size=size, test_size=8).split(np.arange(40))
    sales = table[table["store"] == "a"]["sales"].to_numpy()
    table[table["store"] == "a"].to_csv("sales.csv", index=False)
    for fold, (train, validation) in enumerate(days):
        data = load(
            time="date",
            exclude=["store"],
            window=1,
            folds=4,
            fold=fold,
            max_train_size=size,
            standardize=False,
        )
        np.testing.assert_array_equal(data.train.y[:, 0], sales[train[train > 0]])
        np.testing.assert_array_equal(data.validation.y[:, 0], sales[validation])
        np.testing.assert_array_equal(data.fold_rows, validation)
        np.testing.assert_array_equal(data.test.y[:, 0], sales[40:])
    with pytest.raises(UserError, match="a run trains on one of them"):
        load(time="date", exclude=["store"], window=1, folds=4)


def test_means_and_deviations_are_those_of_the_rows_before_the_held_out_times(table):
    data = load(time="date", series="store", window=7)
    raw = load(time="date", series="store", window=7, standardize=False)
    before = table[table["date"] < DAYS[30]][["sales", "price"]].to_numpy()
    expected = (raw.train.x - before.mean(axis=0)) / before.std(axis=0)
    np.testing.assert_allclose(data.train.x, expected, atol=1e-5)


def test_without_time_the_rows_are_in_order_and_the_past_is_enough(table):
    pd.DataFrame({"sales": np.arange(40.0)}).to_csv("sales.csv", index=False)
    data = load(window=3, horizon=2, standardize=False)
    assert data.train.x[0].ravel().tolist() == [0, 1, 2] and data.train.y[0].tolist() == [3, 4]
    assert data.test.y[-1].tolist() == [38, 39]


@pytest.mark.parametrize("form", ["%Y-%m", "%m/%Y"])
def test_months_are_times(table, form):
    months = pd.date_range("1949-01-01", periods=60, freq="MS")
    frame = pd.DataFrame({"month": months.strftime(form), "sales": np.arange(60.0)})
    frame.sample(frac=1, random_state=0).to_csv("sales.csv", index=False)
    data = load(time="month", window=3, standardize=False)
    assert data.train.x[0].ravel().tolist() == [0, 1, 2] and data.test.y.ravel().tolist() == [*range(48, 60)]
    assert not data.inferred["notices"]


def test_series_without_a_window_are_named(table):
    short = pd.DataFrame({"date": DAYS[:6], "store": "new", "sales": 1.0, "price": 2.0})
    pd.concat([table, short]).to_csv("sales.csv", index=False)
    data = load(time="date", series="store", window=5, horizon=2)
    note = "1 of 3 series have fewer than 7 rows, and no window: new (6)"
    assert data.inferred["notices"] == [note] and len(data.train) == 2 * 24
    assert load(time="date", series="store", window=4, horizon=2).inferred["notices"] == []


def test_gaps_are_the_last_value_before_in_the_series_and_are_not_predicted(table):
    gaps = table.reset_index(drop=True)
    gaps.loc[[7, 8, 60], "sales"] = np.nan
    gaps.loc[[0, 1, 50, 55], "price"] = np.nan
    gaps.to_csv("sales.csv", index=False)
    arguments = {"time": "date", "series": "store", "window": 4, "validation": 0, "test": 0}
    data = load(**arguments, standardize=False)
    filled = gaps[["sales", "price"]].groupby(gaps["store"]).ffill()
    filled = filled.fillna(filled.median())
    starts = [b + i for b in (0, 50) for i in range(46) if not np.isnan(gaps["sales"][b + i + 4])]
    values = filled.to_numpy()
    np.testing.assert_array_equal(data.train.x, np.array([values[i : i + 4] for i in starts], "float32"))
    np.testing.assert_array_equal(data.train.y[:, 0], [values[i + 4, 0] for i in starts])
    assert "windows left out, as a value to predict is missing: 3" in data.inferred["notices"]
    with pytest.raises(UserError, match="column sales: 3 missing values"):
        load(**arguments, missing="error")


def test_further_validation_sets_have_all_their_windows_and_the_statistics_of_training(table):
    south = pd.DataFrame({"sales": [*range(20)], "date": DAYS[:20], "price": 5.0, "store": "s"})
    south.loc[[0, 19], ["price", "sales"]] = np.nan
    south.to_csv("south.csv", index=False)
    south.assign(sales=3.0).to_csv("flat.csv", index=False)
    table.iloc[:9].to_csv("north.csv", index=False)
    arguments = {"time": "date", "series": "store", "window": 4, "horizon": 2}
    data = load(**arguments, validation_sets={"south": "south.csv", "north": "north.csv"})
    without = load(**arguments)
    np.testing.assert_array_equal(data.train.x, without.train.x)
    np.testing.assert_array_equal(data.test.y, without.test.y)
    before = table[table["date"] < DAYS[30]][["sales", "price"]]
    filled = south[["sales", "price"]].ffill().fillna(before.median()).to_numpy()
    of_south, of_north = data.validation_sets.values()
    starts = range(14)  # the last one would predict the missing value
    expected = (np.stack([filled[i : i + 4] for i in starts]) - before.mean().to_numpy()) / before.std(ddof=0).to_numpy()  # fmt: skip
    np.testing.assert_allclose(of_south.x, expected, atol=1e-5)
    np.testing.assert_array_equal(of_south.y, [[i + 4, i + 5] for i in starts])
    north = table["sales"].to_numpy()[:9]
    np.testing.assert_array_equal(of_north.y, [north[i + 4 : i + 6] for i in range(4)])
    assert data.validation_sets.keys() == {"south", "north"} and not without.validation_sets
    flat = load(**arguments, validation_sets={"flat": "flat.csv"}).validation_sets["flat"]
    assert len(flat) == 15 and (flat.y == 3).all()
    folds = load(**arguments, folds=3, fold=0, validation_sets={"south": "south.csv"})
    assert len(folds.validation_sets["south"]) == 14
    for sets in ({"south": "none.csv"}, {"a b": "south.csv"}, {"south": "one.csv"}):
        table.iloc[:5].to_csv("one.csv", index=False)
        faults = describe(path="sales.csv", target="sales", **arguments, validation_sets=sets).problems
        name = "" if "a b" in sets else ".south"
        assert [key for key, _ in faults] == [f"validation_sets{name}"]


def test_stored_statistics_are_applied_by_the_names_of_the_columns(table):
    arguments = {"time": "date", "series": "store", "window": 4}
    table.assign(rate=RNG.random(100) * 9).to_csv("sales.csv", index=False)
    stored = Preprocessor.of(load(**arguments))
    other = pd.read_csv("sales.csv")[["rate", "price", "store", "sales", "date"]].assign(
        price=lambda f: f["price"] + 5
    )
    other.to_csv("sales.csv", index=False)
    data, raw = load(**arguments, preprocessor=stored), load(**arguments, standardize=False)
    before = table[table["date"] < DAYS[30]][["sales", "price"]]
    by_name = {name: i for i, name in enumerate(data.features)}
    assert list(data.features) == ["sales", "price", "rate"] and list(raw.features) == [
        "sales",
        "rate",
        "price",
    ]
    x = (raw.train.x[:, :, 2] - before["price"].mean()) / before["price"].std(ddof=0)
    np.testing.assert_allclose(data.train.x[:, :, by_name["price"]], x, rtol=1e-4)
    assert data.preprocessing["inputs"] == stored.steps


def test_a_column_of_dates_that_does_not_sort_is_told(table):
    notes = load(series="store", window=4).inferred["notices"]
    assert any("data.time=date" in note for note in notes)
    assert not load(series="store", window=4, exclude=["date"]).inferred["notices"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time": "date"}, "data.time: line .*: a second row of the same time .*data.series="),
        ({"time": "date", "series": "shop"}, "data.series: the file has no column 'shop'"),
        ({"time": "date", "series": "store", "window": 50}, "data.window: the longest series has 50 rows"),
        (
            {"time": "date", "series": "store", "window": 7, "horizon": 20},
            "data.window: the .* part has no window",
        ),
        ({"time": "date", "series": "store", "features": ["store"]}, "data.features"),
        (
            {"time": "store"},
            "data.time: column store: expected dates or numbers, got 'a'. Write dates as 2024-03-31 or 2024-03.",
        ),
        ({"test": 0.6, "validation": 0.4}, "expected data.validation"),
    ],
)
def test_faults_are_named(table, arguments, message):
    with pytest.raises(UserError, match=message):
        load(**arguments)
