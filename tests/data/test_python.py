"""Data from Python: a registered function's DataFrame or arrays, and the argument `data` of `trainrun.run`."""

from __future__ import annotations

import itertools
import re

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import tensorflow as tf
from sklearn.datasets import load_iris

import trainrun
from trainrun.data import _read_once, _spool, profile
from trainrun.errors import UserError
from trainrun.registry import lookup

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {"age": RNG.integers(18, 90, 40), "city": ["Rome", "Oslo"] * 20, "spend": RNG.normal(50, 9, 40)}
)
AGES = FRAME["age"].to_numpy()
HOLE = np.where(np.arange(40)[:, None] == 3, np.nan, AGES[:, None] / 1.0)
IMAGES = RNG.integers(0, 256, (40, 6, 5, 3), dtype="uint8")
FAST = ["tracking=none", "trainer.epochs=1", "artifacts=none", "metric=none"]


@pytest.fixture
def load():
    """Register a function that returns a value, and load it by `data=python`."""

    def load(value, **arguments):
        trainrun.register("data", "mine")(lambda: value)
        return trainrun.build("data", "python", function="mine", **arguments)

    with lookup.isolated():
        yield load


def all_parts(data, name=None):
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    return np.concatenate([part.y if name is None else part.x[name] for part in parts])


@pytest.mark.parametrize("value", [FRAME, pa.Table.from_pandas(FRAME), FRAME.to_dict("list")], ids=type)
def test_a_table_is_read_as_the_same_parquet_file(load, value, tmp_path):
    FRAME.to_parquet(tmp_path / "same.parquet")
    expected = trainrun.build("data", "parquet", path=str(tmp_path / "same.parquet"), target="spend")
    assert load(value, target="spend").digest() == expected.digest()


def test_an_index_with_a_name_is_said_to_be_left_out(load, capsys):
    days = pd.date_range("2024-01-01", periods=40, name="day")
    data = load(FRAME.set_index(days), target="spend")
    assert data.features == load(FRAME, target="spend").features
    text = " ".join(capsys.readouterr().err.split())
    assert (
        text.count("the DataFrame's index, day, is left out. To make it a column: frame.reset_index().") == 1
    )
    assert "day year" in load(FRAME.set_index(days).reset_index(), target="spend").features


def test_columns_whose_types_only_pandas_has(load):
    columns = {
        "band": pd.cut(FRAME["age"], [0, 30, 60, 99]),
        "month": pd.period_range("2020-01", periods=40, freq="M"),
        "some": pd.arrays.SparseArray(np.arange(40) % 3),
    }
    arrow = {
        "band": columns["band"].astype(str),
        "month": columns["month"].to_timestamp(),
        "some": np.arange(40) % 3,
    }
    data, same = (load(FRAME.assign(**more), target="spend") for more in (columns, arrow))
    assert data.digest() == same.digest() and len(data.preprocessing["categories"]["band"]) == 4


def test_features_and_a_series_name_the_target(load):
    data = load((FRAME[["age", "spend"]], FRAME["city"]))
    assert (data.target.classes, data.features) == (("Oslo", "Rome"), ("age", "spend"))


def test_several_inputs_by_name(load):
    x = {"picture": IMAGES, "size": RNG.normal(3, 2, (40, 2))}
    data = load((x, FRAME["city"].to_numpy()))
    assert [(s.name, s.kind, s.shape) for s in data.inputs] == [
        ("picture", "image", (6, 5, 3)),
        ("size", "numeric", (2,)),
    ]
    assert data.train.x["size"].mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert sorted(all_parts(data, "picture").ravel()) == pytest.approx(sorted(IMAGES.ravel() / 255), abs=1e-6)


@pytest.mark.parametrize("x", [FRAME[["age"]], IMAGES], ids=["a table", "arrays"])
def test_several_targets_by_name(load, x):
    data = load((x, {"city": FRAME["city"].to_numpy(), "spend": FRAME["spend"].to_numpy()}))
    assert data.target.named["city"].classes == ("Oslo", "Rome")
    assert sorted(np.concatenate([part.y["spend"].ravel() for part in data.parts.values()])) == sorted(
        FRAME["spend"]
    )


@pytest.mark.parametrize(
    ("first", "further"), [(FRAME, FRAME[:10]), ((IMAGES, FRAME["age"]), (IMAGES[:10], FRAME["age"][:10]))]
)
def test_parts_that_are_handed_over_apart_stay_apart(load, first, further):
    data = load({"train": first, "test": further}, target="age" if first is FRAME else None)
    assert [len(part) for part in data.parts.values()] == [32, 8, 10], "only validation is split off"
    assert data.test.y.ravel().tolist() == FRAME["age"][:10].tolist()


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ({"train": FRAME, "test": FRAME[:10], "validation_sets": {"old": FRAME[30:]}}, ["data.target=age"]),
        ({"train": (IMAGES, AGES), "test": (IMAGES[:10], AGES[:10]), "validation_sets": {"old": (IMAGES[30:], AGES[30:])}}, []),
    ],
)  # fmt: skip
def test_parts_that_are_handed_to_a_run_stay_apart(load, inside, data, settings):
    overrides = [*FAST, "model=linear", "callback=early_stopping", "callback.early_stopping.monitor=val.old_loss"]  # fmt: skip
    run = trainrun.run([*overrides, *settings], data=data)
    of_function = load(data, target="age" if settings else None)
    for built in (trainrun.build("data", **run.config["data"]), of_function):
        assert [len(part) for part in built.parts.values()] == [32, 8, 10], "only validation is split off"
        assert built.test.y.ravel().tolist() == AGES[:10].tolist()
        assert built.validation_sets["old"].y.ravel().tolist() == AGES[30:].tolist()
    assert run.history["val.old_loss"]


def test_parts_of_a_table_may_differ_in_order_and_promoted_types(load, inside):
    held_out = FRAME[["spend", "city", "age"]][:10].assign(age=lambda frame: frame["age"] + 0.5)
    by_part = {"train": FRAME.assign(note=1.5), "test": held_out.assign(note=None)}
    run = trainrun.run([*FAST, "model=linear", "data.target=spend"], data=by_part)
    for data in (trainrun.build("data", **run.config["data"]), load(by_part, target="spend")):
        mean, std = (data.preprocessing["standardize"][key][0] for key in ("mean", "std"))
        assert data.test.x["numeric"][:, 0] * std + mean == pytest.approx(AGES[:10] + 0.5, abs=1e-4)
    with pytest.raises(UserError, match=r"columns of different types: .*age.* int64 vs large_string"):
        load({"train": FRAME, "test": FRAME.assign(age="old")}, target="spend")


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"old_one": (IMAGES, AGES)}, "expected letters and digits, got 'old_one'"),
        (FRAME, "validation_sets is a DataFrame; expected data by name"),
        ({"old": (IMAGES[:0], AGES[:0])}, "old has no examples"),
    ],
)
def test_faulty_validation_sets_are_refused(load, sets, message):
    with pytest.raises(UserError, match=message):
        load({"train": (IMAGES, AGES), "validation_sets": sets})


def test_a_part_by_another_name_is_refused(load):
    with pytest.raises(UserError, match="expected the parts train, validation, test, got 'val'"):
        load({"train": (IMAGES, AGES), "val": (IMAGES, AGES)})


def test_arrays_without_a_target(load):
    data = load({"train": (IMAGES, None), "test": (IMAGES[:4], None)}, validation=0)
    assert (data.task, len(data.train), len(data.test)) == ("minimization", 40, 4)
    assert load({"a": IMAGES}, x="a", y=None).target.kind == "none"


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        part = slice(8 * i, 8 * i + 8)
        return IMAGES[part], AGES[part], AGES[part] / 90.0


def batches(size, drop=False):
    return tf.data.Dataset.from_tensor_slices((IMAGES, AGES, AGES / 90.0)).batch(size, drop)


class MapStyle:
    """An object with rows, as a map-style dataset of PyTorch is."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


PIECES = {
    "batches": lambda: batches(12),
    "batches of one size": lambda: batches(8, drop=True),
    "examples": lambda: batches(8).unbatch(),
    "a PyDataset": Batches,
    "a generator": lambda: ((image, age, age / 90.0) for image, age in zip(IMAGES, AGES, strict=True)),
    "an iterator": lambda: itertools.islice(
        zip(itertools.cycle(IMAGES), AGES, AGES / 90.0, strict=False), 40
    ),
    "rows": lambda: MapStyle([*zip(IMAGES, AGES, AGES / 90.0, strict=True)]),
}


@pytest.mark.parametrize("made", PIECES.values(), ids=PIECES)
def test_what_comes_piece_by_piece_is_the_same_arrays(load, made, monkeypatch, capsys):
    expected = load((IMAGES, AGES, AGES / 90.0)).digest()
    assert load(made()).digest() == expected
    assert "read once, 40 examples" in capsys.readouterr().out
    monkeypatch.setattr(_spool, "LARGE", 1000)
    parts = load({"train": made(), "test": made()})
    assert (
        parts.digest()
        == load({"train": (IMAGES, AGES, AGES / 90.0), "test": (IMAGES, AGES, AGES / 90.0)}).digest()
    )
    assert "kept in a temporary file" in capsys.readouterr().out


def test_pieces_by_name_and_of_texts(load):
    rows = [{"x": [a, 1], "y": a % 2} for a in range(20)]
    assert (
        load(row for row in rows).digest()
        == load({"x": [r["x"] for r in rows], "y": [r["y"] for r in rows]}).digest()
    )
    columns = {"city": FRAME["city"].to_numpy(), "age": AGES}
    pieces = tf.data.Dataset.from_tensor_slices((columns, FRAME["spend"].to_numpy())).batch(7)
    assert (
        load(pieces).digest()
        == load(FRAME.assign(target=FRAME["spend"])[["city", "age", "target"]], target="target").digest()
    )


def endless():
    while True:
        yield IMAGES[0], 1


def faulty():
    yield IMAGES[:8], AGES[:8]
    yield IMAGES[0, 1], nothing  # noqa: F821


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: batches(8).repeat(), "the tf.data.Dataset has no end. Leave repeat"),
        (endless, "there is no end after 100 pieces. .*itertools.islice"),
        (lambda: (_ for _ in ()), "there are no examples"),
        (
            lambda: iter_of((IMAGES[0], 1), (IMAGES[0, :5], 1)),
            r"piece 2: x has the shape \[5, 5, 3\], the first one \[6, 5, 3\]. Pad",
        ),
        (
            lambda: iter_of((IMAGES[:8], AGES[:7]), (IMAGES[:8], AGES[:8])),
            r"y has the shape \[8\], the first one \[7\]. .* taken for a single example",
        ),
        (lambda: iter_of((IMAGES[:8], AGES[:8]), (IMAGES[:8], AGES[:7])), "piece 2 has 8 in x, 7 in y"),
        (lambda: iter_of((IMAGES[0], 1), (IMAGES[0],)), "piece 2 has x; expected x, y"),
        (lambda: iter_of((IMAGES[0], 1), (IMAGES[0], 1.5)), "piece 2: y is float64, the first one int64"),
        (lambda: iter_of(((IMAGES[0], IMAGES[1]), 1)), "x is a tuple of 2 arrays. Name them"),
        (lambda: iter_of((1, 2, 3, 4)), "a tuple of 4; expected x"),
        (lambda: iter_of((object(), 2)), "x holds object"),
        (lambda: {"train": iter_of((IMAGES[0], 1)), "test": iter_of()}, "test: there are no examples"),
        (lambda: {"train": (IMAGES, AGES), "test": (IMAGES, AGES[1:])}, "test has 40 in x, 39 in y"),
        (
            lambda: {"train": (AGES[:, None] / 1.0, AGES), "test": (HOLE, AGES)},
            "the first is example 3 of test",
        ),
    ],
)
def test_pieces_that_do_not_fit_are_refused(load, value, message, monkeypatch, capsys):
    monkeypatch.setattr(_read_once, "MOST_PIECES", {False: 100, True: 10})
    monkeypatch.setattr(_read_once, "LONG_S", 0.0)
    with pytest.raises(UserError, match=message):
        load(value())
    if value is endless:
        assert "data: 1 pieces, 98 bytes, and no end yet." in capsys.readouterr().err


def iter_of(*pieces):
    yield from pieces


def test_an_exception_of_a_generator_is_its_own(load):
    with pytest.raises(NameError, match="nothing"):
        load(faulty())


@pytest.mark.parametrize(
    ("value", "arguments", "message"),
    [
        (
            {"train": FRAME, "test": FRAME[["age"]]},
            {},
            "test lacks city, spend; expected what train has",
        ),
        (
            {"train": (IMAGES, None), "test": (IMAGES[:, :5], None)},
            {},
            r"test has x as uint8 \[n, 5, 5, 3\], not uint8 \[n, 6, 5, 3\]",
        ),
        (7, {}, "data: expected a DataFrame .* got int"),
        (
            {"train": (IMAGES, FRAME["city"]), "test": (IMAGES[:4], ["Bergen", "Oslo", "Rome", "Bergen"])},
            {},
            "data.y: 2 of 4 test examples are of classes that no training example has, so that they cannot be predicted: 'Bergen' \\(2\\)",
        ),
        ((IMAGES,), {}, "got a tuple of 1"),
        ((IMAGES, FRAME["age"][:30]), {}, "data.y: array 'y' has 30 examples, 'x' has 40"),
        ({"a": IMAGES, "y": FRAME["age"]}, {}, "data.x: there is no array 'x'. There are a, y"),
        (
            {"x": IMAGES, "y": FRAME["age"]},
            {"x": []},
            "data.x: expected the key of an array, or a list of keys",
        ),
        ({"x": IMAGES, "y": FRAME["age"]}, {"kind": {"z": "image"}}, "data.kind: there is no input 'z'"),
        ((FRAME, FRAME["city"]), {}, "x has a column 'city', which is the name of the target"),
        ((FRAME, [1, 2]), {}, r"the target has the shape \[2\]; expected \[40\]"),
        (FRAME.assign(age=[1, "a"] * 20), {"target": "city"}, "data: the table has a column .*age"),
        (FRAME.assign(day=[[1]] * 40), {"target": "city"}, "column day has the type list"),
        (FRAME, {}, "expected the column to predict, got null. The file has age, city, spend"),
        (FRAME[:0], {"target": "city"}, "the table has no rows"),
    ],
)
def test_what_cannot_be_read_is_refused(load, value, arguments, message):
    with pytest.raises(UserError, match=message):
        load(value, **arguments)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.ma.masked_greater(HOLE, 40),
            "'x' has masked values, which would be taken as they are. Fill them",
        ),
        (scipy.sparse.csr_matrix(AGES[:, None]), "'x' is a sparse csr_matrix. Take array.toarray()"),
        (iter([(np.ma.masked_greater(AGES, 40), AGES)]), "piece 1: x has masked values"),
    ],
)
def test_arrays_whose_values_are_not_numpys_are_refused(load, x, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load(x if hasattr(x, "__next__") else (x, AGES))
    assert load((np.ma.masked_greater(AGES[:, None], 200), AGES)).inputs[0].shape == (1,), "nothing is masked"


def test_nan_among_texts_is_a_missing_one(load):
    cities = np.where(np.arange(40) % 4 == 0, np.nan, FRAME["city"].to_numpy(object))
    data = load(({"city": cities}, FRAME["age"]), missing="drop")
    assert sum(map(len, data.parts.values())) == 30


def test_a_table_of_several_inputs_is_described_in_its_unit(load):
    data = load(FRAME, target="spend", validation=0, test=0)
    records = {record["name"]: record for record in profile.of_dataset(data)}
    assert len(data.inputs) == 2
    assert [records["age"][key] for key in ("least", "median", "largest")] == pytest.approx(np.percentile(AGES, [0, 50, 100]))  # fmt: skip


def test_a_column_of_several_types_is_named(load):
    with pytest.raises(
        UserError, match=r"with type str: .*\. Conversion failed for column mixed .*\. Give each"
    ):
        load(FRAME.assign(mixed=[1, "x", None, 2.5] * 10), target="city")


def test_a_dataframe_is_kept_by_its_content_and_resumed_from_there(inside):
    x, y = load_iris(return_X_y=True, as_frame=True)
    frame = x.assign(kind=load_iris().target_names[y])
    first = trainrun.run([*FAST, "data.target=kind"], data=frame)
    second = trainrun.run([*FAST, "data.target=kind"], data=frame.copy())
    assert first.history["loss"] == second.history["loss"]
    assert len([*inside.glob("outputs/.data/*/*")]) == 1
    again = trainrun.compose(first.summary["overrides"])
    assert trainrun.build("data", **again["data"]).digest() == first.summary["data_sha256"]


@pytest.mark.parametrize(
    ("overrides", "data", "message"),
    [
        (["data=iris"], FRAME, "are two datasets"),
        (["data.target=nothing"], FRAME, "has no column 'nothing'"),
        ([], "table.csv", "got str"),
    ],
)
def test_a_refused_run_leaves_no_data(inside, overrides, data, message):
    with pytest.raises(UserError, match=message):
        trainrun.run(overrides, data=data)
    assert not [*inside.iterdir()]
