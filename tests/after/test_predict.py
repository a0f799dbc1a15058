"""`trainrun predict`: every kind of file gives the model's output for rows that numpy preprocesses; what does not fit is refused."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import fsspec
import numpy as np
import pandas as pd
import pytest

import trainrun
from trainrun.after import top_classes
from trainrun.cli import main
from trainrun.data import _csv_reading, _csv_source
from trainrun.data.dataset import TargetSpec
from trainrun.errors import UserError


def numbers(frame: pd.DataFrame, run: str) -> np.ndarray:
    """Return the trained model's output for rows that numpy imputes, standardizes and encodes by the record."""
    record = json.loads((trainrun.load(run).run_dir / "preprocessing.json").read_text())
    by_name = {column["name"]: column for column in record["columns"]}
    gaps = frame["age"].isna().to_numpy()
    mean, std = np.array(record["moments"]["numeric"])
    wide = np.stack([frame["age"].fillna(by_name["age"]["fill"]), gaps], axis=1)
    codes = [by_name["city"]["categories"].index(city) + 1 for city in frame["city"]]
    x = {"numeric": ((wide - mean) / std).astype("float32"), "categorical": np.array(codes, "int32")[:, None]}
    return np.asarray(trainrun.load(run).model(x)).ravel()


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
def test_each_kind_of_file_in_blocks_gives_the_same_rows(within, tmp_path, monkeypatch, ending):
    frame = pd.read_csv("new.csv")
    table, out = tmp_path / f"new.{ending}", tmp_path / f"out.{ending}"
    getattr(frame, f"to_{ending}")(table, **({"index": False} if ending == "csv" else {}))
    monkeypatch.setattr(_csv_source, "STREAMED", 500)
    monkeypatch.setattr(_csv_reading, "BLOCK", 500)
    monkeypatch.setattr("trainrun.data._arrow_source.STREAMED", 50)
    assert main(["predict", "buyers", str(table), "-o", str(out), "--keep", "id", "--keep", "age"]) == 0
    read = getattr(pd, f"read_{ending}")(out)
    assert list(read.columns) == ["id", "age", "prediction", "probability_no", "probability_yes"]
    np.testing.assert_array_equal(read["age"].astype(float), frame["age"])
    expected = numbers(frame, "buyers")
    np.testing.assert_allclose(read["probability_yes"], expected, atol=1e-6)
    assert list(read["prediction"]) == ["yes" if p > 0.5 else "no" for p in expected]


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_a_table_of_types_is_told_without_its_ending(within, tmp_path, ending):
    frame = pd.read_csv("new.csv")
    (tmp_path / "parts").mkdir()
    getattr(frame, f"to_{ending}")(tmp_path / "parts" / f"1.{ending}")
    getattr(frame, f"to_{ending}")(tmp_path / "rows")
    fsspec.filesystem("memory").put(str(tmp_path / "parts"), f"/{ending}", recursive=True)
    for address in (tmp_path / "rows", f"file://{tmp_path}/parts", f"memory://{ending}"):
        assert main(["predict", "buyers", str(address), "-o", str(tmp_path / "out.csv")]) == 0
        predicted = pd.read_csv(tmp_path / "out.csv")["probability_yes"]
        np.testing.assert_allclose(predicted, numbers(frame, "buyers"), atol=1e-6)


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
def test_categories_that_differ_between_files_are_carried_through(within, tmp_path, ending):
    (tmp_path / "parts").mkdir()
    frame = pd.read_csv("new.csv").assign(tag=[*["u", "v"] * 30, *["w", "v"] * 30])
    for i, part in enumerate((frame[:60], frame[60:])):
        part.astype({"tag": "category"}).to_parquet(tmp_path / "parts" / f"{i}.parquet")
    out = tmp_path / f"out.{ending}"
    assert main(["predict", "buyers", str(tmp_path / "parts"), "-o", str(out), "--keep", "tag"]) == 0
    assert list(getattr(pd, f"read_{ending}")(out)["tag"]) == list(frame["tag"])


def test_the_rows_that_are_read_are_not_written_over(within, tmp_path, capsys):
    for ending in ("csv", "parquet"):
        table = tmp_path / f"new.{ending}"
        frame = pd.read_csv("new.csv")
        frame.to_csv(table, index=False) if ending == "csv" else frame.to_parquet(table)
        before = table.read_bytes()
        for path in (str(table), f"file://{table}", str(tmp_path / f"n?w.{ending}"), str(tmp_path)):
            assert main(["predict", "buyers", path, "-o", str(table)]) == 2
            assert "has what is read, which would be lost" in capsys.readouterr().err
        assert table.read_bytes() == before


def test_a_number_comes_in_its_unit_from_standard_input_and_from_python(within, capsys, monkeypatch):
    frame = pd.read_csv("new.csv")
    with open("new.csv", "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read())))
    assert main(["predict", "spending", "-", "--keep", "id", "--intervals", "0.9"]) == 0
    printed = capsys.readouterr()
    read = pd.read_csv(io.StringIO(printed.out))
    assert list(read.columns) == ["id", "prediction", "low", "high"]
    held_out = trainrun.load("spending").data().validation
    distances = np.sort(
        np.abs(held_out.y - trainrun.load("spending").model.predict(held_out.x, verbose=0)).ravel()
    )
    np.testing.assert_allclose(
        read["high"] - read["prediction"], distances[np.ceil(49 * 0.9).astype(int) - 1], rtol=1e-5
    )
    assert "intervals of 0.9 from 48 validation examples; of 48 test examples" in printed.err
    np.testing.assert_allclose(read["prediction"], numbers(frame, "spending"), rtol=1e-5)
    assert "missing values: age 11" in printed.err
    of_frame = trainrun.load("spending").predict(frame.set_index("id", drop=False), keep=["city"])
    assert list(of_frame.index) == list(frame["id"]) and list(of_frame.columns) == ["city", "prediction"]
    np.testing.assert_allclose(of_frame["prediction"], read["prediction"], rtol=1e-6)


def test_unknown_categories_are_counted_and_what_does_not_fit_is_refused(within, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["predict", "buyers", "other.csv", "-o", str(out), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["rows"], content["unknown"], content["missing"]) == (30, {"city": 15}, {"age": 3})
    text = (within / "other.csv").read_text()
    for content, message in (
        (text.replace("city", "town"), "trained on city, which the file lacks"),
        (text.replace("p20,", "p20,old"), "line 22: column age: 'old"),
        (text + "p31,1\n", "line 32: 2 fields, expected 5"),
    ):
        (tmp_path / "wrong.csv").write_text(content)
        out.unlink(missing_ok=True)
        assert main(["predict", "buyers", str(tmp_path / "wrong.csv"), "-o", str(out)]) == 2
        assert message in capsys.readouterr().err and not out.exists()
    for arguments, message in (
        (["new.csv", "--keep", "ids"], "no column 'ids'. Did you mean id?"),
        (["new.csv", "-o", "out.txt"], "expected a file ending in .csv"),
        (["new.csv", "--json"], "--json needs -o"),
    ):
        assert main(["predict", "buyers", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert main(["predict", "first", "new.csv"]) == 2
    assert "takes arrays" in capsys.readouterr().err


def test_the_most_probable_classes_stand_for_all_of_them(within, monkeypatch, capsys):
    monkeypatch.setattr(top_classes, "ALL_UP_TO", 1)
    monkeypatch.setattr(top_classes, "DEFAULT", 1)
    for more, count in (([], 1), (["--top", "2"], 2)):
        assert main(["predict", "buyers", "new.csv", *more]) == 0
        printed = capsys.readouterr()
        read = pd.read_csv(io.StringIO(printed.out))
        assert ("2 classes: the 1 most probable are written" in printed.err) is not bool(more)
        share = numbers(pd.read_csv("new.csv"), "buyers")
        np.testing.assert_allclose(read["top_1_probability"], np.maximum(share, 1 - share), atol=1e-6)
        assert list(read["prediction"]) == list(read["top_1"]) == ["yes" if p > 0.5 else "no" for p in share]
        assert [*read.columns[1:]] == ["top_1", "top_1_probability", "top_2", "top_2_probability"][
            : 2 * count
        ]
    assert main(["predict", "buyers", "new.csv", "--top", "all"]) == 0
    assert capsys.readouterr().out.startswith('"prediction","probability_no"')
    for run, top, message in (("spending", "2", "predicts numbers"), ("buyers", "0", "at least 1, or all")):
        assert main(["predict", run, "new.csv", "--top", top]) == 2
        assert message in capsys.readouterr().err
    outputs = {
        "kind": np.array([[0.2, 0.3, 0.3, 0.2], [np.nan] * 4]), "price": np.array([[1.5], [np.nan]])
    }  # fmt: skip
    kind = TargetSpec("multiclass", ("a", "b", "c", "d"), 4)
    named = TargetSpec("named", named={"kind": kind, "price": TargetSpec("real", outputs=1)})
    columns = top_classes.columns(SimpleNamespace(output=outputs, fitted=SimpleNamespace(target=named)), 2)
    assert columns["top_kind_1"].tolist() == ["b", None] and columns["top_kind_2"].tolist() == ["c", None]
    assert columns["top_kind_2_probability"][0] == 0.3 and np.isnan(columns["top_kind_2_probability"][1])
    assert [*columns][-1] == "prediction_price" and len(columns) == 6


OFF = [
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    "metric=none",
    "trainer.epochs=1",
    "trainer.batch_size=8",
]
ALL_ROWS = ["data.validation=0", "data.test=0"]


def test_rows_of_arrays_are_predicted_with_their_ids(inside, capsys):
    random = np.random.default_rng(0)
    x, y, ids = random.normal(3, 2, (40, 4)).astype("float32"), np.arange(40) % 3, np.arange(1500) + 7
    np.savez("train.npz", x=x, y=y)
    run = trainrun.run(["data=npz", "data.path=train.npz", "model=linear", *OFF, *ALL_ROWS], "run")
    new = random.normal(3, 2, (1500, 4)).astype("float32")
    new[7, 2] = np.nan
    np.savez_compressed("new.npz", x=np.asfortranarray(new), id=ids.astype(">i8"))
    assert main(["predict", "run", "new.npz", "-o", "out.csv", "--keep", "id"]) == 0
    read = pd.read_csv("out.csv")
    kernel, bias = run.saved.model.get_weights()
    scores = (new - x.mean(0)) / x.std(0) @ kernel + bias
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(read.filter(like="probability"), shares, atol=1e-5)
    assert list(read["id"]) == list(ids) and read["prediction"].isna().sum() == 1
    (inside / "cut.npz").write_bytes((inside / "new.npz").read_bytes()[:-40])
    assert main(["predict", "run", "cut.npz"]) == 2 and "cannot be read as arrays" in capsys.readouterr().err
    for arrays, arguments, message in (
        ({"x": new[:, :3]}, [], r"expected shape [rows, 4], got [1500, 3]"),
        ({"x": new}, ["--keep", "ids"], "no array 'ids'"),
        ({"x": new, "id": ids[:5]}, ["--keep", "id"], "one value a row"),
        ({"x": new.astype(object)}, [], "cannot be read as arrays"),
    ):
        np.savez("wrong.npz", **arrays)
        assert main(["predict", "run", "wrong.npz", *arguments]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    some = y != 0  # a class that does not occur does not move the ids of the others
    np.savez("some.npz", x=x[some], y=y[some])
    assert main(["evaluate", "run", "some.npz", "--against", "run", "--json"]) == 0
    shares = np.exp((x - x.mean(0)) / x.std(0) @ kernel + bias)
    chosen = (shares / shares.sum(1, keepdims=True))[range(40), y]
    assert json.loads(capsys.readouterr().out)["metrics"]["loss"]["value"] == pytest.approx(
        -np.log(chosen[some]).mean(), rel=1e-4
    )
    for arrays in ((x, y), {"x": x, "y": y}):
        assert run.evaluate(arrays).metrics["loss"].value == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    for arrays, message in (
        ((x[:, :3], y), r"the shape \[3\]; those of .* have \[4\]"),
        ((x, y + 1), "the target is 1, 2, 3; that of .* is 0, 1, 2"),
        ({"x": x}, "no array 'y'"),
    ):
        with pytest.raises(UserError, match=message):
            run.evaluate(arrays)


def test_images_of_a_folder_are_predicted_with_their_paths(inside, capsys):
    from PIL import Image

    random = np.random.default_rng(0)
    pictures = {
        f"photos/{c}/{i}.png": random.integers(0, 255, (8, 9, 3), dtype="uint8")
        for c in "ab"
        for i in range(8)
    }
    for name, pixels in pictures.items():
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(name)
    run = trainrun.run(
        ["data=image_folder", "data.path=photos", "model=cnn", "model.filters=[4]", *OFF, *ALL_ROWS], "run"
    )
    assert main(["predict", "run", "photos", "-o", "out.csv"]) == 0
    read = pd.read_csv("out.csv")
    assert list(run.predict("photos")["file"]) == list(read["file"])
    assert list(read["file"]) == sorted(name.removeprefix("photos/") for name in pictures)
    pixels = np.stack([pictures[f"photos/{name}"] for name in read["file"]]).astype("float32") / 255
    np.testing.assert_allclose(read["probability_b"], np.ravel(run.saved.model(pixels)), atol=1e-5)
    (inside / "photos/a/0.png").write_text("no image")
    assert main(["predict", "run", "photos"]) == 2 and "0.png cannot be read" in capsys.readouterr().err
