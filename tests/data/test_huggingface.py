"""Datasets of Hugging Face, from folders: the rows of each split, classes by name, faults with the way out."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import tqdm

import trainrun
from trainrun.data.huggingface import describe
from trainrun.errors import UserError

NUMBERS = np.random.default_rng(0).normal(size=60)


@pytest.fixture
def saved(inside, monkeypatch):
    """Return the folders of one dataset, saved and as Parquet."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(inside / "cache"))
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "n": datasets.Value("float64"),
            "label": datasets.ClassLabel(names=["spam", "ham"]),
        }
    )
    rows = {"id": [f"r{i % 3}" for i in range(60)], "n": NUMBERS, "label": [i % 2 for i in range(59)] + [-1]}
    whole = datasets.Dataset.from_dict(rows, features=features)
    parts = datasets.DatasetDict(
        {
            "train": whole.select(range(9, 60)),
            "dev": whole.select(range(3)),
            "test": whole.select(range(3, 9)),
        }
    )
    datasets.disable_progress_bars()
    parts.save_to_disk("saved")
    whole.save_to_disk("one")
    (inside / "files").mkdir()
    for name, file in (("train", "train"), ("dev", "validation"), ("test", "test")):
        parts[name].to_parquet(f"files/{file}-00000-of-00001.parquet")
    return inside


def load(path, **arguments):
    return trainrun.build("data", "huggingface", path=path, target="label", **arguments)


@pytest.mark.parametrize("path", ["saved", "files"])
def test_splits_of_the_dataset_are_the_parts(saved, path):
    data = load(path, standardize=False, features=["n"])
    assert data.test.x[:, 0] == pytest.approx(NUMBERS[3:9])
    assert data.validation.x[:, 0] == pytest.approx(NUMBERS[:3])
    assert data.train.x[:, 0] == pytest.approx(NUMBERS[9:59])  # the last row has no label
    assert {data.target.classes[y] for y in data.test.y[::2]} == {"ham"}
    known = describe(path=path, target="label")
    assert (known.target, known.class_names, known.examples) == ("binary", data.target.classes, 50)


def test_further_splits_are_validation_sets(saved, capsys):
    data = load("saved", splits={"train": "train"}, validation_sets={"first": "dev", "next": "test"}, standardize=False, features=["n"])  # fmt: skip
    assert [len(part) for part in data.parts.values()] == [30, 10, 10]
    for name, rows in (("first", NUMBERS[:3]), ("next", NUMBERS[3:9])):
        assert data.validation_sets[name].x[:, 0] == pytest.approx(rows)
    with pytest.raises(UserError, match=r"the dataset has no split 'match'; it has train, dev, test"):
        load("saved", validation_sets={"match": "match"})


def test_splits_that_are_not_used_are_said(saved, capsys):
    parts = datasets.load_from_disk("saved")
    unlabelled = parts["test"].remove_columns("label").add_column("label", [-1] * 6, feature=parts["test"].features["label"])  # fmt: skip
    datasets.DatasetDict({"train": parts["train"], "dev_odd": parts["dev"], "test": unlabelled}).save_to_disk(
        "odd"
    )
    data = load("odd", exclude=["id"])
    assert [len(part) for part in data.parts.values()] == [30, 10, 10] and data.inferred[
        "split"
    ] == "drawn at random"
    words = "splits that are not used: dev_odd, test (no row has a target); data.splits={train: train, validation: dev_odd}"
    assert words in " ".join(capsys.readouterr().out.split())
    with pytest.raises(UserError, match="no test row is left"):
        load("odd", splits={"train": "train", "test": "test"})


def test_progress_bars_leave_no_semaphore_to_clean_up(saved):
    tqdm.tqdm.set_lock(tqdm.std.TqdmDefaultWriteLock())
    load("saved")
    assert not isinstance(tqdm.tqdm.get_lock(), tqdm.std.TqdmDefaultWriteLock)


def test_a_class_of_the_name_none_is_a_class(inside):
    labels = datasets.ClassLabel(names=["none", "spam", "ham"])
    features = datasets.Features({"n": datasets.Value("float64"), "label": labels})
    rows = {"n": NUMBERS, "label": [i % 3 for i in range(60)]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk("three")
    known = describe(path="three", target="label", validation=0, test=0)
    assert (known.class_names, known.examples) == (("ham", "none", "spam"), 60)
    assert describe(path="three", target="label", na_values=["none"]).classes == 2


def test_a_dataset_without_splits_is_divided(saved):
    data = load("one", exclude=["id"])
    assert (len(data.train), len(data.validation), len(data.test)) == (35, 12, 12)
    named = load("saved", splits={"train": "test"}, validation=0, test=0)
    assert len(named.train) == 6 and named.test is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": None}, "path: expected a folder"),
        ({"path": "no such/thing/here"}, "path: there is no folder"),
        ({"path": "saved", "splits": {"train": "nothing"}}, "splits: the dataset has no split 'nothing'; it has train, dev, test"),
        ({"path": "saved", "splits": {"tran": "train"}}, "splits: .*Did you mean train"),
        ({"path": "empty"}, "path: empty cannot be loaded"),
        ({"path": "saved", "exclude": ["lable"]}, "exclude: .*Did you mean label"),
    ],
)  # fmt: skip
def test_faults_are_named_before_loading(saved, arguments, message):
    (saved / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        load(**arguments)
    assert describe(target="label", **arguments).problems


def test_without_a_network_the_hub_is_asked_once(saved, monkeypatch):
    # The reserved port 1 refuses; the client itself would ask for half a minute.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(saved / "cache"))
    [(key, message)] = describe(path="user/MyFilms", target="label").problems
    assert key == "path" and "no connection to 127.0.0.1" in message and "save_to_disk" in message
    # A copy that was downloaded before is taken without asking.
    datasets.load_dataset("parquet", data_files={"train": "files/train-00000-of-00001.parquet"})
    [copy] = [f.parent for f in (saved / "cache").rglob("dataset_info.json")]
    kept = saved / "cache" / "user___my_films" / "default" / "0.0.0" / "abc"
    copy.rename((kept.parent.mkdir(parents=True), kept)[1])
    (kept / "parquet-train.arrow").rename(kept / "my_films-train.arrow")
    assert len(load("user/MyFilms").train) == 30


def test_images_are_refused_with_the_way_out(saved):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict({"image": [None] * 4, "label": [0, 1] * 2}, features=features).save_to_disk(
        "i"
    )
    with pytest.raises(UserError, match=r"column image holds images.*data=image_folder"):
        load("i")


def test_without_the_package_the_extra_is_named(saved, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert (
        describe(path="saved", target="label").problems[0][1].endswith("pip install 'trainrun[huggingface]'.")
    )
