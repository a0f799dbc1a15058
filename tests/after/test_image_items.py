"""Runs of images take later ones: a table of paths, a folder of one class, other masks; predictions are the model's own, and are measured."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, mean_absolute_error

import trainrun
from trainrun.cli import main
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.run import stored_preprocessing

OFF = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "trainer.epochs=1", "trainer.batch_size=4"]  # fmt: skip
CNN = ["data=image_folder", "model=cnn", "model.filters=[3]", *OFF]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with images, a table of them with classes and ages, and a run of each kind."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    rows = []
    for i in range(24):
        name = f"{'dog' if i % 2 else 'cat'}/{i}.png"
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 128, (8, 9, 3), dtype="uint8") + (i % 2) * 90
        Image.fromarray(pixels.astype("uint8")).save(folder / "photos" / name)
        rows.append({"file": f"photos/{name}", "kind": name[:3], "age": i + 0.5})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    table = ["data.path=labels.csv", "data.image=file"]
    with contextlib.chdir(folder):
        trainrun.run([*CNN, "data.path=photos"], "outputs/runs/folders")
        trainrun.run([*CNN, *table, "data.target=age"], "outputs/runs/ages")
        trainrun.run([*CNN, *table, "data.target=kind"], "outputs/runs/kinds")
    return folder


def expected(folder, run, files):
    """Return what a run's network says of images, by Pillow and numpy."""
    pixels = np.stack([np.asarray(Image.open(folder / file), "float32") for file in files]) / 255
    with contextlib.chdir(folder):
        return np.ravel(trainrun.load(run).saved.model(pixels))


def test_a_table_of_paths_is_predicted_row_by_row(runs, monkeypatch, capsys):
    (runs / "later").mkdir(exist_ok=True)
    rows = pd.DataFrame({"n": [3, 1, 2], "file": ["../photos/cat/0.png", None, "../photos/dog/1.png"]})
    rows.to_csv(runs / "later" / "new.csv", index=False)  # its paths begin at its own folder
    monkeypatch.chdir(runs)
    assert main(["predict", "kinds", "later/new.csv", "--keep", "n", "-o", "out.csv"]) == 0
    assert "1 of 3 rows have no prediction: it has no image" in " ".join(capsys.readouterr().err.split())
    read = pd.read_csv("out.csv")
    assert list(read.columns[:3]) == ["file", "n", "prediction"] and read["n"].tolist() == [3, 1, 2]
    positive = read.columns[-1]
    own = expected(runs, "kinds", ["photos/cat/0.png", "photos/dog/1.png"])
    np.testing.assert_allclose(read[positive].dropna(), own, atol=1e-5)
    assert read[positive].isna().tolist() == [False, True, False]
    assert main(["predict", "folders", "later/new.csv"]) == 2
    assert "or a folder of images" in capsys.readouterr().err


def test_a_table_of_paths_is_measured(runs, monkeypatch):
    monkeypatch.chdir(runs)
    rows = pd.read_csv("labels.csv").iloc[:7]
    rows.to_csv("some.csv", index=False)
    scores = trainrun.load("ages").evaluate("some.csv")
    frame = trainrun.load("ages").predict("some.csv")
    assert scores.rows == 7
    assert scores.metrics["mean_absolute_error"].value == pytest.approx(
        mean_absolute_error(rows["age"], frame["prediction"]), rel=1e-5
    )


def test_images_of_one_class_are_measured(runs, monkeypatch):
    monkeypatch.chdir(runs)
    (runs / "new").mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (runs / "new" / "dog").symlink_to(runs / "photos" / "dog")
    predicted = trainrun.load("folders").predict("photos")
    dogs = predicted[predicted["file"].str.startswith("dog")]
    accuracy = accuracy_score(["dog"] * len(dogs), dogs["prediction"])
    scores = trainrun.load("folders").evaluate("new")
    assert (scores.rows, scores.metrics["accuracy"].value) == (12, pytest.approx(accuracy))
    pixels = np.stack([np.asarray(Image.open(f"photos/dog/{i}.png")) for i in range(1, 24, 2)])
    of_arrays = trainrun.load("folders").evaluate({"x": pixels, "y": ["dog"] * 12})
    assert of_arrays.metrics["accuracy"].value == pytest.approx(accuracy)
    rows = pd.read_csv("labels.csv")
    rows[rows["kind"] == "dog"].to_csv("dogs.csv", index=False)
    of_kinds = trainrun.load("kinds").predict("dogs.csv")["prediction"]
    assert main(["evaluate", "kinds", "dogs.csv"]) == 0
    record = json.loads((runs / "outputs/runs/kinds/evaluation-dogs.json").read_text())
    assert record["metrics"]["accuracy"]["value"] == pytest.approx((of_kinds == "dog").mean())


def test_one_class_is_nothing_to_train_on(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    pd.read_csv("labels.csv").query("kind == 'dog'").to_csv("dogs.csv", index=False)
    table = ["data.path=dogs.csv", "data.image=file", "data.target=kind"]
    assert main(["check", *CNN, *table]) == 2
    assert "one value only" in capsys.readouterr().err


def test_worst_examples_are_named_by_file_and_by_the_row_of_the_table(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    predicted = trainrun.load("folders").predict("photos").set_index("file")
    shares = [row[f"probability_{name[:3]}"] for name, row in predicted.iterrows()]
    worst = predicted.index[np.argsort(shares)[0]]
    assert main(["evaluate", "folders", "photos"]) == 0
    lines = capsys.readouterr().out.split("worst examples")[1].strip().splitlines()
    assert "file" in lines[0] and f"photos/{worst}" in lines[1]
    scores = trainrun.load("folders").evaluate()  # of the test part, whose numbers say nothing
    assert all(runs.joinpath(one["values"]["file"]).is_file() for one in scores.worst)
    rows = pd.read_csv("labels.csv")
    rows.loc[[0, 3], "age"] = np.nan
    rows.to_csv("gaps.csv", index=False)
    scores = trainrun.load("ages").evaluate("gaps.csv")
    assert (scores.rows, scores.left_out) == (22, 2)
    for one in scores.worst:
        row = rows.loc[one["place"]]
        assert (one["true"], one["values"]["file"]) == (pytest.approx(row["age"]), row["file"])


def test_a_model_on_other_images_keeps_its_classes(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    labels = pd.read_csv("labels.csv")
    assert json.loads((runs / "outputs/runs/kinds/preprocessing.json").read_text())["target"]["classes"] == ["cat", "dog"]  # fmt: skip
    few_cats = labels[(labels["kind"] == "dog") | (labels.index < 10)]
    few_cats.to_csv("few_cats.csv", index=False)  # the rarer class, which would be the positive one
    model = ["model=file", "model.path=outputs/runs/kinds/model.keras", *OFF, "optimizer.learning_rate=1e-9"]
    table = ["data=image_folder", "data.image=file", "data.target=kind", "data.validation=0", "data.test=0"]
    again = trainrun.run([*model, *table, "data.path=few_cats.csv"])
    predicted = trainrun.load("kinds").predict("few_cats.csv")["prediction"]
    assert again.metrics["accuracy"] == pytest.approx(accuracy_score(few_cats["kind"], predicted))
    assert list(again.saved.fitted.target.classes) == ["cat", "dog"]
    assert main([*model, *table, "data.path=few_cats.csv", "data.positive=cat"]) == 2
    assert "the positive class of the model is 'dog'" in capsys.readouterr().err
    labels.assign(kind=labels["kind"].replace("dog", "wolf")).to_csv("wolves.csv", index=False)
    assert main([*model, *table, "data.path=wolves.csv"]) == 2
    assert "knows the classes cat, dog; the data also has wolf" in capsys.readouterr().err


def test_another_way_of_resizing_is_told(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    stretched, padded = (
        trainrun.build("data", "image_folder", path="photos", size=6, resize=way)
        for way in ("stretch", "pad")
    )
    for data in (stretched, padded):
        stored_preprocessing.applied(data, Preprocessor.of(stretched))
    (warned,) = capsys.readouterr().err.split("warning: ")[1:]
    assert "trained on images resized by data.resize=stretch" in warned and "are by pad" in warned


def test_folds_of_images_and_texts_have_out_of_fold_predictions(runs, monkeypatch):
    monkeypatch.chdir(runs)
    sweep = trainrun.sweep([*CNN, "data.path=photos", "data.folds=2", "data.test=0"])
    read = pd.read_csv(sweep.sweep_dir / "out_of_fold.csv")
    assert read["row"].tolist() == list(range(24))
    assert sorted(read["file"]) == sorted(map(str, Path("photos").rglob("*.png")))
    assert read["target"].tolist() == [file.split("/")[1] for file in read["file"]]
    of_fold = read[read["fold"] == 0]
    right = (of_fold["probability_dog"] > 0.5) == (of_fold["target"] == "dog")
    (first,) = (trial for trial in sweep.trials if "data.fold=0" in trial.overrides)
    assert right.mean() == pytest.approx(first.metrics["val_accuracy"])


def test_images_of_another_size_are_refused_by_name(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    (runs / "sizes").mkdir()
    Image.new("RGB", (30, 20)).save(runs / "sizes" / "large.png")
    (runs / "sizes.csv").write_text("file\nphotos/cat/0.png\nsizes/large.png\n")
    for run, source in (("folders", "sizes"), ("kinds", "sizes.csv")):
        assert main(["predict", run, source]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "large.png has 20x30 pixels (height x width); the model takes 8x9" in said
    (runs / "dogs" / "dog").mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(runs / "dogs" / "dog" / "large.png")
    with pytest.raises(UserError, match=r"has the shape \[20, 30, 3\]; those of .* have \[8, 9, 3\]"):
        trainrun.load("folders").evaluate("dogs")
