"""Keras' own datasets, read from the files that Keras keeps: small ones of the same form."""

from __future__ import annotations

import gzip
import importlib
import os
import subprocess
import sys
import urllib.error

import numpy as np
import pytest

import trainrun
from trainrun.data.keras import describe
from trainrun.errors import UserError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 28, 28), dtype="uint8")
DIGITS = np.arange(60) % 10
TEXTS = np.array([list(range(3, 4 + i % 5)) for i in range(40)], dtype="object")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return Keras' folder of datasets, whose files pass for the original ones."""
    from keras import datasets

    files = sys.modules[datasets.mnist.load_data.__globals__["get_file"].__module__]
    monkeypatch.setattr(files, "validate_file", lambda *_, **__: True)
    monkeypatch.setattr(files, "urlretrieve", _no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(files.config, "keras_home", lambda: str(tmp_path))
    (tmp_path / "datasets" / "fashion-mnist").mkdir(parents=True)
    return tmp_path / "datasets"


def _no_network(*_):
    raise urllib.error.URLError("no route to host")


def _images(folder):
    np.savez(
        folder / "mnist.npz", x_train=PIXELS[:40], y_train=DIGITS[:40], x_test=PIXELS[40:], y_test=DIGITS[40:]
    )


def _fashion(folder):
    for part, rows in (("train", slice(40)), ("t10k", slice(40, 60))):
        for name, content in ((f"{part}-labels-idx1-ubyte.gz", bytes(8) + DIGITS[rows].astype("uint8").tobytes()),
                              (f"{part}-images-idx3-ubyte.gz", bytes(16) + PIXELS[rows].tobytes())):  # fmt: skip
            (folder / "fashion-mnist" / name).write_bytes(gzip.compress(content))


@pytest.mark.parametrize(("name", "write"), [("mnist", _images), ("fashion_mnist", _fashion)])
def test_images_are_those_of_keras_and_the_test_part_is_its_own(folder, name, write):
    write(folder)
    data = trainrun.build("data", "keras", dataset=name, validation=0.25)
    assert np.allclose(data.test.x[..., 0], PIXELS[40:] / 255.0, atol=1e-6)
    assert data.test.y.tolist() == DIGITS[40:].tolist()
    assert (len(data.train), len(data.validation)) == (30, 10)
    held = np.concatenate([data.train.x, data.validation.x])
    assert sorted(held.sum((1, 2, 3)).tolist()) == pytest.approx(
        sorted((PIXELS[:40] / 255.0).sum((1, 2)).tolist()), rel=1e-5
    )
    known = describe(dataset=name)
    assert (known.target, known.classes, known.examples, known.inputs) == (
        data.target.kind,
        len(data.target.classes),
        48_000,
        ("image",),
    )
    assert known.class_names == data.target.classes


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_words_are_the_ids_of_keras_padded_at_the_end(folder, name):
    labels = np.arange(40) % (2 if name == "imdb" else 46)
    arrays = {"x": TEXTS, "y": labels}
    if name == "imdb":
        arrays = {"x_train": TEXTS[:30], "y_train": labels[:30], "x_test": TEXTS[30:], "y_test": labels[30:]}
    np.savez(folder / f"{name}.npz", **arrays)
    data = trainrun.build("data", "keras", dataset=name, max_tokens=8, sequence_length=4, validation=0)
    (texts, y), (held_out, y_test) = importlib.import_module(f"keras.datasets.{name}").load_data(num_words=8)
    for part, expected, ids in ((data.train, texts, y), (data.test, held_out, y_test)):
        assert part.x.tolist() == [(list(text) + [0] * 4)[:4] for text in expected]
        assert part.y.tolist() == list(ids)
    if name == "reuters":
        assert data.target.classes == tuple(
            importlib.import_module("keras.datasets.reuters").get_label_names()
        )
    assert data.inputs[0].cardinalities == (8,) and data.target.classes[1] in ("positive", "grain")


def test_houses_are_numbers_in_their_unit(folder):
    x, y = RNG.normal(size=(50, 8)), RNG.normal(2e5, 1e5, 50)
    np.savez(folder / "california_housing.npz", x=x, y=y)
    data = trainrun.build("data", "keras", dataset="california_housing")
    assert (data.target.kind, len(data.test), data.features[-1]) == ("real", 10, "Longitude")
    assert np.mean(data.train.x, axis=0) == pytest.approx(np.zeros(8), abs=1e-5)
    assert set(data.train.y[:, 0]) <= set(y)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"data\.dataset: keras.datasets.mnist cannot be loaded: URL fetch failure.*copy .*datasets/mnist.npz"),
        (b"no zip", r"data\.dataset: keras.datasets.mnist cannot be loaded: .*Delete .*datasets/mnist.npz"),
    ],
)  # fmt: skip
def test_a_file_that_is_lacking_or_damaged_is_named(folder, content, message):
    if content is not None:
        (folder / "mnist.npz").write_bytes(content)
    with pytest.raises(UserError, match=message):
        trainrun.build("data", "keras", dataset="mnist")


def test_an_unknown_dataset_is_refused_before_loading():
    assert describe(dataset="minst").problems == (
        ("dataset", "expected one of mnist, fashion_mnist, cifar10, cifar100, imdb, reuters, california_housing, got minst. Did you mean mnist?"),
    )  # fmt: skip
    assert describe(dataset="mnist", validation=1.0).problems


def test_nothing_of_tensorflow_is_printed_beside_the_data(tmp_path):
    (tmp_path / "datasets" / "fashion-mnist").mkdir(parents=True)
    _fashion(tmp_path / "datasets")  # which Keras does not compare with the digests of its own
    command = [sys.executable, "-m", "trainrun", "data", "data=keras", "data.dataset=fashion_mnist"]
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "fashion_mnist, 60 examples" in done.stdout and not done.stderr
