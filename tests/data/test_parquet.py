"""Parquet and Feather files: the same table is the same dataset as from CSV, and types say what a column is."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather as arrow_feather
from pyarrow import parquet as pq

from trainrun.data import _spool, csv, feather, parquet
from trainrun.data.lazy_array import View
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.registry.construct import construct

KINDS = {"parquet": parquet, "feather": feather}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def save(frame, path, kind):
    frame.to_parquet(path) if kind == "parquet" else frame.to_feather(path)
    return str(path)


def load(path, kind, target="y", **arguments):
    return getattr(KINDS[kind], kind)(path=str(path), target=target, **arguments)


def faults(path, kind, target="y", **arguments):
    """Return the faults that loading names; the preflight names the same."""
    with pytest.raises(UserError) as caught:
        load(path, kind, target, **arguments)
    loading = [str(p) for p in caught.value.problems]
    described = KINDS[kind].describe(path=str(path), target=target, **arguments).problems
    assert [f"data.{key}: {message}" for key, message in described] == loading
    return "\n".join(loading)


def frame(n=60):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(20, 60, n),
            "income": random.normal(1000, 300, n),
            "small": (random.integers(0, 9, n) / 4).astype("float32"),
            "city": [("Rome", "Oslo", "Lima")[i % 3] for i in range(n)],
            "member": [i % 4 == 0 for i in range(n)],
            "y": [("no", "yes")[i % 2] for i in range(n)],
        }
    )


@pytest.mark.parametrize("gaps", [False, True])
def test_the_same_table_is_the_same_dataset_as_from_csv(tmp_path, kind, gaps):
    table, arguments = frame(), {}
    if gaps:
        table.loc[[3, 7, 50], "income"] = np.nan
        table.loc[[2, 9], "city"] = None
        arguments = {"missing": "mean_or_mode"}
    table.assign(member=table["member"].map({True: "true", False: "false"})).to_csv(
        tmp_path / "t.csv", index=False
    )
    path = save(table, tmp_path / f"t.{kind}", kind)
    for target in ("y", "income", "age"):
        data, same = (
            load(path, kind, target, **arguments),
            csv.csv(path=str(tmp_path / "t.csv"), target=target, **arguments),
        )
        # Words that are missing values in text are none in a file with nulls.
        assert data.digest() == same.digest()
        assert {**data.preprocessing, "missing_words": None} == {**same.preprocessing, "missing_words": None}
        assert data.target == same.target and data.inputs == same.inputs
        described = KINDS[kind].describe(path=path, target=target, **arguments)
        assert (described.target, described.examples) == (data.target.kind, len(data.train))
        assert described.inputs == tuple(spec.kind for spec in data.inputs)


def test_a_type_says_what_a_column_is(tmp_path, kind):
    table = frame().assign(
        zip=[f"{i % 5:05}" for i in range(60)],  # text that looks like numbers
        grade=pd.Categorical([str(i % 3) for i in range(60)]),
        y=[2**53 + i % 3 for i in range(60)],  # one float64 stands for two of them
    )
    data = load(save(table, tmp_path / f"t.{kind}", kind), kind)
    assert data.preprocessing["columns"]["categorical"] == ["city", "zip", "grade"]
    assert data.preprocessing["categories"]["zip"][1:] == ["00000", "00001", "00002", "00003", "00004"]
    assert data.target.classes == tuple(str(2**53 + i) for i in range(3))


def test_an_index_of_pandas_is_no_feature(tmp_path):
    table = frame().set_index(pd.Index(range(100, 160))).drop(index=105)
    data = load(save(table, tmp_path / "t.parquet", "parquet"), "parquet")
    assert data.features == ("age", "income", "small", "member")


def test_dates_have_the_parts_that_pandas_says(tmp_path, kind):
    when = pd.Series(pd.date_range("2020-02-27 06:00", periods=60, freq="31h", tz="UTC"))
    table = frame().assign(when=when, day=when.dt.date)
    table.loc[4, "when"] = pd.NaT
    path = save(table, tmp_path / f"t.{kind}", kind)
    data = load(path, kind, features=["when", "day"], standardize=False, validation=0, test=0)
    when = when.where(when.index != 4, when.drop(4).median().floor("min"))
    expected = [getattr(when.dt, part) for part in ("year", "month", "day", "weekday", "hour")]
    expected += [
        getattr(pd.to_datetime(table["day"]).dt, part) for part in ("year", "month", "day", "weekday")
    ]
    np.testing.assert_array_equal(data.train.x[:, :9], np.stack(expected, axis=1))
    assert data.features[5:] == ("day year", "day month", "day day", "day weekday", "when is missing")
    assert load(path, kind, features=["age", "when"], formats="plain").inputs[-1].kind == "categorical"


def test_times_of_day_are_the_hours_that_pandas_says(tmp_path, kind):
    text = [f"{i % 24:02}:{i * 7 % 60:02}:{i % 50:02}" for i in range(60)]
    table = frame().assign(start=pd.to_datetime(text, format="%H:%M:%S").time)
    data = load(save(table, tmp_path / f"t.{kind}", kind), kind, features=["start"], standardize=False)
    expected = pd.to_timedelta(text).total_seconds() / 3600
    every = np.concatenate([part.x[:, 0] for part in (data.train, data.validation, data.test)])
    np.testing.assert_allclose(np.sort(every), np.sort(expected), rtol=1e-6)


def test_several_files_are_one_table(tmp_path, kind):
    (tmp_path / "parts").mkdir()
    table = frame()
    for i, part in enumerate((table[:20], table[20:].reset_index(drop=True)[["y", *table.columns[:-1]]])):
        save(part, tmp_path / "parts" / f"{i}.{kind}", kind)
    whole = load(save(table, tmp_path / f"t.{kind}", kind), kind)
    assert load(tmp_path / "parts", kind).digest() == whole.digest()
    assert load(tmp_path / "parts" / f"*.{kind}", kind).digest() == whole.digest()
    save(table.assign(age="old"), tmp_path / "parts" / f"2.{kind}", kind)
    assert f"2.{kind} has other types" in faults(tmp_path / "parts", kind)
    without = load(tmp_path / "parts", kind, exclude=["age"])
    save(table.drop(columns="age"), tmp_path / "parts" / f"2.{kind}", kind)
    assert load(tmp_path / "parts", kind, exclude=["age"]).digest() == without.digest()
    save(table.rename(columns={"age": "years"}), tmp_path / "parts" / f"2.{kind}", kind)
    assert f"2.{kind} has other columns" in faults(tmp_path / "parts", kind)


@pytest.mark.parametrize("text", [pa.dictionary(pa.int8(), pa.string()), pa.string_view(), pa.large_string()])
def test_files_may_have_other_types_of_text_and_of_numbers(tmp_path, kind, text):
    table = pd.DataFrame({"city": ["Oslo", "Rome", None] * 20, "y": [0.5, 1.25, 2.75, 4.5] * 15})
    whole = load(save(table, tmp_path / f"t.{kind}", kind), kind)
    (tmp_path / "parts").mkdir()
    write = {"parquet": pq.write_table, "feather": arrow_feather.write_feather}[kind]
    for i, (rows, city, y) in enumerate(
        [(table[:20], text, pa.decimal128(5, 2)), (table[20:], pa.string(), pa.float64())]
    ):
        columns = {"city": pa.array(rows["city"]).cast(city), "y": pa.array(rows["y"]).cast(y)}
        write(pa.table(columns), tmp_path / "parts" / f"{i}.{kind}")
    assert load(tmp_path / "parts", kind).digest() == whole.digest()


def test_values_that_the_type_of_all_files_does_not_hold_are_no_damage(tmp_path, kind):
    (tmp_path / "parts").mkdir()
    for i, ids in enumerate(([2**60 + i for i in range(30)], [float(i) for i in range(30)])):
        table = pd.DataFrame({"id": ids, "x": np.arange(30) % 7, "y": np.arange(30) % 2})
        save(table, tmp_path / "parts" / f"{i}.{kind}", kind)
    message = faults(tmp_path / "parts", kind)
    assert f"0.{kind} has values that do not fit" in message and "column id" in message
    assert "cannot be read" not in message
    load(tmp_path / "parts", kind, exclude=["id"])


def test_faults_are_named_with_the_way_out(tmp_path, kind):
    path = tmp_path / f"t.{kind}"
    table = frame().assign(when=pd.Timedelta("1D"))
    assert "column when has the type duration" in faults(save(table, path, kind), kind)
    assert load(path, kind, exclude=["when"]).features == ("age", "income", "small", "member")
    table = frame()
    table.loc[5, "income"] = np.inf
    table.loc[7, "age"] = np.nan
    text = faults(save(table, path, kind), kind, missing="error")
    assert "row 6: column income: 'inf' is not a number" in text
    assert "column age: 1 missing values, the first in row 8" in text
    table["income"] = np.inf
    assert f"in {len(table)} of {len(table)} rows" in faults(save(table, path, kind), kind)
    assert "data.target: the file has no column 'z'" in faults(path, kind, "z")
    assert "has no rows" in faults(save(frame()[:0], path, kind), kind)
    path.write_bytes(path.read_bytes()[:-20])
    assert f"cannot be read as {kind.title()}" in faults(path, kind)
    assert "there is no file" in faults(tmp_path / f"u.{kind}", kind)


def test_a_value_may_be_declared_missing(tmp_path, kind):
    table = frame()
    table.loc[4, "age"], table.loc[9, "city"] = -999, "NA"
    path = save(table, tmp_path / f"t.{kind}", kind)
    assert load(path, kind).preprocessing["missing"] == {}  # NA is a text like others here
    data = load(path, kind, na_values=[-999, "NA"], missing="drop")
    assert data.preprocessing["missing"] == {"age": 1, "city": 1} and data.preprocessing["dropped_rows"] == 2


def test_decimals_and_large_text_are_understood(tmp_path):
    from decimal import Decimal

    from pyarrow import parquet as files

    table = pa.table(
        {
            "price": pa.array([Decimal(f"{i}.50") for i in range(30)]),
            "city": pa.array([("Rome", "Oslo")[i % 2] for i in range(30)], pa.large_string()),
            "y": pa.array([i % 3 for i in range(30)], pa.int8()),
        }
    )
    files.write_table(table, tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", "parquet", standardize=False, validation=0, test=0)
    np.testing.assert_array_equal(data.train.x["numeric"][:, 0], np.arange(30) + 0.5)
    assert data.preprocessing["categories"] == {"city": ["<unknown>", "Oslo", "Rome"]}
    assert data.target.classes == ("0", "1", "2")


def test_offsets_that_lead_outside_of_memory_are_damage(tmp_path):
    path = tmp_path / "t.feather"
    table = pa.table({"city": pa.array(["Rome"] * 60, pa.string()), "y": [i % 2 for i in range(60)]})
    arrow_feather.write_feather(table, path, compression="uncompressed")
    content, offsets = path.read_bytes(), np.arange(0, 4 * 61, 4, dtype="int32").tobytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, offsets[:4] + np.int32(2**30).tobytes() + offsets[8:]))
    assert "cannot be read as Feather" in faults(path, "feather")


def test_a_table_is_read_without_pandas(tmp_path, kind, monkeypatch):
    path = save(frame(), tmp_path / f"t.{kind}", kind)
    for module in ("pandas", "pyarrow.dataset"):  # the second imports the first
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr(pa, "dataset", raising=False)
    data = load(path, kind)
    assert sum(map(len, data.parts.values())) == 60


def test_a_large_table_is_kept_in_files_with_the_same_bits(tmp_path, kind, monkeypatch):
    table = frame().assign(when=pd.date_range("2020-02-27 06:00", periods=60, freq="31h"))
    table.loc[[3, 7, 50], "income"] = np.nan
    table.loc[[2, 9], ["city", "when"]] = None
    table.loc[5, "y"] = None  # the row is left out
    path = save(table, tmp_path / f"t.{kind}", kind)
    text = tmp_path / "t.csv"
    table.to_csv(text, index=False)
    in_memory = load(path, kind), csv.csv(path=str(text), target="y")
    monkeypatch.setattr(_spool, "LARGE", 0)  # each column is read by itself
    lazy = load(path, kind), csv.csv(path=str(text), target="y")
    for one, same in zip(lazy, in_memory, strict=True):
        assert one.digest() == same.digest()
        assert one.preprocessing == same.preprocessing and one.inferred == same.inferred
        inputs = [x for part in (one.train, one.validation, one.test) for x in part.x.values()]
        assert all(isinstance(view, View) and not view.rows.flags.owndata for view in inputs)


def test_folders_that_name_values_are_columns(tmp_path, kind):
    table = frame().assign(
        code=[("007", "x y")[i % 2] for i in range(60)], year=[(2023, 2024)[i % 2] for i in range(60)]
    )
    for code, year in (("007", 2023), ("x y", 2024)):
        folder = tmp_path / "parts" / f"year={year}" / f"code={code.replace(' ', '%20')}"
        folder.mkdir(parents=True)
        part = table[table.year == year].drop(columns=["code", "year"]).reset_index(drop=True)
        save(part, folder / f"0.{kind}", kind)
    ordered = table.sort_values("year", kind="stable")[[*frame().columns, "year", "code"]]
    whole = load(save(ordered.reset_index(drop=True), tmp_path / f"t.{kind}", kind), kind)
    for path in ("parts", f"parts/*/*/*.{kind}"):
        data = load(tmp_path / path, kind)
        assert (data.digest(), data.features) == (whole.digest(), whole.features)
    save(table, tmp_path / "parts" / f"more.{kind}", kind)  # beside folders: they are not of this table
    assert load(tmp_path / "parts", kind).digest() == load(tmp_path / "parts" / f"more.{kind}", kind).digest()
    (tmp_path / "parts" / f"more.{kind}").rename(tmp_path / "parts" / "year=2023" / f"more.{kind}")
    assert "other columns" in faults(tmp_path / "parts", kind)
    assert load(tmp_path / "parts", kind, features=["age"]).features == ("age",)


def test_truth_values_of_a_later_file_are_the_classes_of_a_csv_file(tmp_path):
    frame = pd.DataFrame({"x": np.arange(40.0), "y": np.arange(40) % 3 == 0})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")

    def load(kind, **more):
        spec = {"name": kind, "path": str(tmp_path / f"t.{kind}"), "target": "y", "seed": 0}
        return construct("data", spec, complete=True, **more)

    written = load("csv")
    typed = load("parquet", preprocessor=Preprocessor.of(written))
    assert typed.target.classes == written.target.classes == ("False", "True")
    for part, split in written.parts.items():
        np.testing.assert_array_equal(typed.parts[part].y, split.y)
