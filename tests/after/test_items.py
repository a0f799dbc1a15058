"""Runs of texts and of time series take later tables of them: predictions are the model's own, by row, and are measured."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainrun
from trainrun.cli import main

OFF = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "trainer.epochs=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Return a folder with a run of texts and one of two series, whose folder of data has the name of the run."""
    folder = tmp_path_factory.mktemp("items")
    random = np.random.default_rng(0)
    words = [" ".join(random.choice(["good", "bad", "film", "the"], 4)) for _ in range(80)]
    texts = pd.DataFrame({"review": words, "label": ["pos" if "good" in w else "neg" for w in words]})
    texts.to_csv(folder / "reviews.csv", index=False)
    steps = np.tile(np.arange(40), 2)
    shop = np.repeat(["a", "b"], 40)
    sales = np.sin(steps) + random.normal(size=80) / 10 + (shop == "b")
    table = pd.DataFrame({"shop": shop, "day": steps, "price": random.normal(size=80), "sales": sales})
    table.sample(frac=1, random_state=0).to_csv(folder / "sales.csv", index=False)
    series = ["data.path=sales.csv", "data.target=sales", "data.time=day", "data.series=shop"]
    with contextlib.chdir(folder):
        columns = ["data.text=review", "data.target=label", "data.positive=pos"]
        trainrun.run(["data=text", "data.path=reviews.csv", *columns, *OFF], "outputs/runs/texts")
        window = ["data.window=5", "data.horizon=2", "model=recurrent"]
        trainrun.run(["data=timeseries", *series, *window, *OFF], "outputs/runs/sales")
        for label, name, text in (("pos", "a", "good film"), ("neg", "b", "the bad")):
            (folder / "texts" / label).mkdir(parents=True)
            (folder / "texts" / label / f"{name}.txt").write_text(text)
    return folder


def test_texts_of_a_table_and_of_a_folder_are_predicted(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    frame = pd.DataFrame({"n": [3, 1, 4, 2], "review": ["good good film the", None, " NULL", "bad"]})
    frame.to_csv("later.csv", index=False)
    assert main(["predict", "texts", "later.csv", "--keep", "n", "-o", "out.csv"]) == 0
    assert "2 of 4 rows have no prediction: it has no text" in " ".join(capsys.readouterr().err.split())
    read = pd.read_csv("out.csv")
    vocabulary = ["", "?", *_record("texts")["steps"]["text"]["vocabulary"]]
    length = _record("texts")["inputs"][0]["shape"][0]
    ids = [[vocabulary.index(word) for word in text.split()] for text in ("good good film the", "bad")]
    x = np.array([(row + [0] * length)[:length] for row in ids], "int32")
    expected = np.ravel(trainrun.load("texts").model.predict(x, verbose=0))
    np.testing.assert_allclose(read["probability_pos"].dropna(), expected, atol=1e-6)
    assert read["n"].tolist() == [3, 1, 4, 2]
    assert read["probability_pos"].isna().tolist() == [
        False,
        True,
        True,
        False,
    ]  # as training leaves them out
    of_frame = trainrun.load("texts").predict(frame, keep=["n"])
    np.testing.assert_allclose(of_frame["probability_pos"], read["probability_pos"], atol=1e-6)
    assert main(["predict", "texts", "texts", "-o", "folder.csv"]) == 0
    assert pd.read_csv("folder.csv")["file"].tolist() == ["neg/b.txt", "pos/a.txt"]


def test_each_row_of_a_series_gets_the_values_that_follow_its_window(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    later = pd.read_csv("sales.csv").assign(id=range(80))  # a further number is no feature
    later.to_parquet("later.parquet")
    assert main(["predict", "outputs/runs/sales", "later.parquet", "--keep", "id", "-o", "out.csv"]) == 0
    assert "8 of 80 rows have no prediction: their window of 5 rows" in capsys.readouterr().err
    read = pd.read_csv("out.csv")
    assert read.columns[:3].tolist() == ["shop", "day", "id"]
    assert read["id"].tolist() == list(range(80))
    mean, std = (np.array(_record("sales")["steps"]["window"]["standardize"][k]) for k in ("mean", "std"))
    for name, of_shop in later.sort_values("day").groupby("shop"):
        values = of_shop[["sales", "price"]].to_numpy()
        x = np.stack([values[i : i + 5] for i in range(36)])
        expected = trainrun.load("sales").model.predict((x - mean) / std, verbose=0)
        mine = read[read["shop"] == name].sort_values("day").filter(like="prediction").to_numpy()
        np.testing.assert_allclose(mine[4:], expected, rtol=1e-4)
        assert np.isnan(mine[:4]).all()
    assert main(["predict", "sales", "reviews.csv"]) == 2
    assert "there is no column 'sales'" in capsys.readouterr().err


def test_a_model_of_a_folder_of_texts_names_what_it_takes(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    for i in range(12):
        for label, text in (("pos", "good film"), ("neg", "the bad")):
            (runs / "many" / label).mkdir(parents=True, exist_ok=True)
            (runs / "many" / label / f"{i}.txt").write_text(text)
    trainrun.run(["data=text", "data.path=many", "trainer.batch_size=4", *OFF], "outputs/runs/folder")
    assert main(["predict", "folder", "reviews.csv"]) == 2
    assert "or a folder of texts (.txt)" in " ".join(capsys.readouterr().err.split())
    # One file is predicted as it is in its folder.
    for path, output in (("many/pos/0.txt", "one.csv"), ("many/pos", "all.csv")):
        assert main(["predict", "folder", path, "-o", output]) == 0
    one, every = pd.read_csv("one.csv"), pd.read_csv("all.csv")
    assert one["file"].tolist() == ["0.txt"]
    assert one["probability_pos"][0] == pytest.approx(every["probability_pos"][0], abs=1e-6)
    for verb, path, text in (
        ("predict", "none.txt", "there is no text none.txt"),
        ("evaluate", "many/pos/0.txt", "many/pos/0.txt is one file, which does not say its class"),
    ):
        assert main([verb, "folder", path]) == 2
        assert text in " ".join(capsys.readouterr().err.split())
    # Of files in another encoding, evaluate reads what predict reads.
    for label, text in (("pos", "good caf\xe9"), ("neg", "bad caf\xe9")):
        (runs / "older" / label).mkdir(parents=True)
        (runs / "older" / label / "0.txt").write_bytes(text.encode("cp1252"))
    assert main(["predict", "folder", "older", "-o", "older.csv"]) == 0
    warning = "neg/0.txt is not text in UTF-8. It is read in cp1252"
    assert warning in " ".join(capsys.readouterr().err.split())
    assert main(["evaluate", "folder", "older", "--json"]) == 0
    output = capsys.readouterr()
    assert warning in " ".join(output.err.split())
    predicted = pd.read_csv("older.csv")
    right = [
        file.startswith(name) for file, name in zip(predicted["file"], predicted["prediction"], strict=True)
    ]
    assert json.loads(output.out)["metrics"]["accuracy"]["value"] == np.mean(right)


def test_a_later_table_is_measured(runs, monkeypatch):
    monkeypatch.chdir(runs)
    frame = pd.read_csv("reviews.csv")
    found = trainrun.load("texts").predict(frame)["prediction"].to_numpy()
    accuracy = trainrun.load("texts").evaluate("reviews.csv").metrics["accuracy"].value
    assert accuracy == pytest.approx(np.mean(found == frame["label"].to_numpy()))
    run, frame = trainrun.load("sales"), pd.read_csv("sales.csv")
    predicted, true = run.predict(frame).to_numpy(), frame["sales"].to_numpy()
    order = np.lexsort((frame["day"], frame["shop"]))
    squares = [
        (predicted[order[i]] - true[order[i + 1 : i + 3]]) ** 2 for i in range(80) if 4 <= i % 40 <= 37
    ]
    scores = run.evaluate(frame)
    assert scores.metrics["root_mean_squared_error"].value == pytest.approx(np.mean(squares) ** 0.5, rel=1e-3)
    assert run.evaluate().metrics.keys() == scores.metrics.keys()  # its own test part


def test_other_series_are_measured_by_the_statistics_of_training(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    run, trained = trainrun.load("sales"), pd.read_csv("sales.csv")
    frame = trained[trained["shop"] == "a"].sort_values("day")[["price", "shop", "day", "sales"]]
    frame = frame.assign(sales=frame["sales"] * 3 + 50)
    frame.loc[frame["day"] == 0, "price"] = np.nan  # nothing is before it
    values = frame[["sales", "price"]].fillna(trained[trained["day"] < 24][["price"]].median()).to_numpy()
    mean, std = (np.array(_record("sales")["steps"]["window"]["standardize"][k]) for k in ("mean", "std"))
    x = (np.stack([values[i : i + 5] for i in range(36)]) - mean) / std
    expected = run.model.predict(x, verbose=0)
    predicted = run.predict(frame).to_numpy()[4:]
    np.testing.assert_allclose(predicted, expected, rtol=1e-4)
    frame.to_csv("other.csv", index=False)
    squares = [(expected[i] - values[i + 5 : i + 7, 0]) ** 2 for i in range(34)]
    scores = run.evaluate("other.csv").metrics
    assert scores["root_mean_squared_error"].value == pytest.approx(np.mean(squares) ** 0.5, rel=1e-5)
    # Weights of it start from its statistics, too.
    series = ["data.path=other.csv", "data.target=sales", "data.time=day", "data.series=shop"]
    config = ["data=timeseries", *series, "data.window=5", "data.horizon=2", "model=recurrent"]
    trainrun.run(
        [*config, *OFF, "trainer.batch_size=9", "init_from=outputs/runs/sales"], "outputs/runs/further"
    )
    assert _record("further")["steps"] == _record("sales")["steps"]
    capsys.readouterr()
    future = pd.DataFrame({"shop": "a", "day": [40, 41], "price": 1.0, "sales": np.nan})
    run.predict(pd.concat([frame, future]))
    assert "sales has no value in the last rows of 1 series (2 rows)" in capsys.readouterr().err


def test_columns_are_found_by_name_without_standardization(runs, monkeypatch):
    monkeypatch.chdir(runs)
    series = ["data.path=sales.csv", "data.target=sales", "data.time=day", "data.series=shop"]
    config = ["data=timeseries", *series, "data.window=5", "data.standardize=false", "model=linear", *OFF]
    trainrun.run([*config, "data.features=null"], "outputs/runs/raw")
    frame = pd.read_csv("sales.csv")
    other = frame.assign(rate=3.0)[["rate", "price", "day", "sales", "shop"]]
    run = trainrun.load("raw")
    np.testing.assert_array_equal(run.predict(other), run.predict(frame))


def test_a_recurrent_model_is_exported_to_runtimes_that_have_no_loops(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(runs)
    for name in ("litert", "openvino"):
        assert 0 < trainrun.load("sales").export(name, output=tmp_path / "out").difference < 1e-3


def _record(run: str) -> dict:
    return json.loads(Path("outputs/runs", run, "preprocessing.json").read_text())
