"""Datasets of TensorFlow Datasets, prepared in a folder: the splits, names of classes, faults with the way out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_datasets

import trainrun
from trainrun.data.tfds import describe
from trainrun.errors import UserError

RNG = np.random.default_rng(0)
PIXELS, LABELS = RNG.integers(0, 256, (40, 4, 5, 3), dtype="uint8"), np.arange(40) % 3


@pytest.fixture
def prepared(inside):
    import tensorflow as tf

    features = tensorflow_datasets.features
    rows = tf.data.Dataset.from_tensor_slices({"picture": PIXELS, "animal": LABELS, "note": ["a"] * 40})
    tensorflow_datasets.dataset_builders.store_as_tfds_dataset(
        name="mine",
        version="1.0.0",
        features=features.FeaturesDict(
            {
                "picture": features.Image(shape=(4, 5, 3)),
                "animal": features.ClassLabel(names=["dog", "cat", "ant"]),
                "note": features.Text(),
            }
        ),
        split_datasets={"train": rows.skip(10), "test": rows.take(10).skip(0), "odd": rows.take(5).skip(0)},
        data_dir=str(inside),
    )
    return inside


def load(folder, **arguments):
    return trainrun.build(
        "data",
        "tfds",
        **{"dataset": "mine", "data_dir": str(folder), "x": "picture", "y": "animal"} | arguments,
    )


def test_splits_and_names_of_classes_are_those_of_the_dataset(prepared, capsys):
    data = load(prepared)
    assert "splits that are not used: odd" in capsys.readouterr().out
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 6, 10)
    assert data.target.classes == ("dog", "cat", "ant")
    order = np.lexsort(data.test.x.reshape(10, -1).T)
    expected = np.lexsort((PIXELS[:10] / 255.0).astype("float32").reshape(10, -1).T)
    assert np.allclose(data.test.x[order], PIXELS[:10][expected] / 255.0, atol=1e-6)
    assert data.test.y[order].tolist() == LABELS[:10][expected].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "pictur"}, r"data\.x: there is no feature 'pictur'. Did you mean picture"),
        ({"x": None}, r"data\.x: the dataset does not say which it is. Name one of animal, note, picture"),
        ({"x": "note"}, r"data\.x: note holds texts"),
        ({"dataset": "imdb_reviwes"}, r"data\.dataset: imdb_reviwes is not prepared.*Did you mean imdb_reviews"),
        ({"dataset": "mine:2.0.0"}, r"data\.dataset: mine:2.0.0 is not prepared in .* It has mine:1.0.0"),
        ({"dataset": "mnist"}, r"data\.dataset: mnist is not prepared in .*data.download=true"),
    ],
)  # fmt: skip
def test_faults_are_named_with_the_way_out(prepared, arguments, message):
    arguments = {"dataset": "mine", "data_dir": str(prepared), "x": "picture", "y": "animal"} | arguments
    problems = [f"data.{key}: {text}" for key, text in describe(**arguments).problems]
    assert bool(problems) == (arguments["x"] != "note")  # known before TensorFlow loads
    with pytest.raises(UserError, match=message) as caught:
        trainrun.build("data", "tfds", **arguments)
    assert problems in ([], [str(problem) for problem in caught.value.problems])


def test_what_can_be_known_is_refused_before_tensorflow_loads(inside, monkeypatch):
    assert describe(dataset="mnist", data_dir=str(inside), download=True).problems == ()
    (inside / "mine" / "1.0.0").mkdir(parents=True)
    (inside / "mine" / "1.0.0" / "features.json").write_text('{"a": [{"pythonClassName": "os.system"}]}')
    for arguments, message in (
        ({"dataset": "user:mnist"}, "expected the name of a dataset"),
        ({"dataset": "mnist", "data_dir": "nowhere"}, "there is no folder nowhere"),
        ({"dataset": "mine", "data_dir": str(inside)}, "'os.system', which is not of TensorFlow Datasets"),
        ({"dataset": "mnist", "kind": "picture"}, "expected null or one of numeric, image"),
    ):
        assert message in describe(**arguments).problems[0][1]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "trainrun[tfds]" in describe(dataset="mnist").problems[0][1]
