"""Images that are decoded while the first epoch trains give the bits of those that were decoded before."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import trainrun
from trainrun.data import _arrays
from trainrun.errors import UserError
from trainrun.trainer import compiled_epoch, pipeline
from trainrun.trainer.held_on_demand import HeldInPlace
from trainrun.trainer.measure import measure

RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """110 JPEGs of two classes: 66 to train on, whose last batch of 16 is a part of one."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(110):
        file = folder / "ab"[i % 2] / f"{i}.jpg"
        file.parent.mkdir(exist_ok=True)
        small = Image.fromarray(RNG.integers(0, 150 + 100 * (i % 2), (4, 4, 3), dtype="uint8"))
        small.resize((12, 12)).save(file)
    return folder


@pytest.mark.parametrize(
    ("trainer", "more", "held"),
    [
        ("fit", (), 2**29),
        ("custom", ("augment=[random_flip,mixup]",), 2**29),
        ("fit", (), 0),
        ("train_on_batch", (), 2**29),
    ],
)
def test_the_first_epoch_decodes_and_trains_to_the_bit(
    train, deterministic, photos, tmp_path, monkeypatch, trainer, more, held
):
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    for module in (pipeline, compiled_epoch):
        monkeypatch.setattr(module, "MAX_HELD_BYTES", held)
    data = ("data=image_folder", f"data.path={photos}", "data.size=8", f"data.cache={tmp_path}")
    settings = ("model=linear", "trainer.batch_size=16", "trainer.epochs=2", *more)
    cold = train(trainer, *data, *settings)
    assert not cold.job.train.x.complete  # those of the test set are missing
    assert not [*tmp_path.glob("*.npy")]
    in_place = compiled_epoch.Pass(cold.job, None, cold.job.train)
    assert isinstance(in_place.on_demand, HeldInPlace) == bool(held)
    digest = cold.job.dataset.digest()
    np.asarray(cold.job.test.x)
    assert len([*tmp_path.glob("*.npy")]) == 1
    monkeypatch.setattr(HeldInPlace, "fits", lambda arrays: False)  # but copied
    warm = train(trainer, *data, *settings)
    assert warm.job.train.x.complete
    assert warm.job.dataset.digest() == digest
    assert warm.history == cold.history
    for got, expected in zip(warm.weights, cold.weights, strict=True):
        assert np.array_equal(got, expected)


def test_other_splits_are_measured_by_the_pass_of_the_validation(
    train, deterministic, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    data = ("data=image_folder", f"data.path={photos}", "data.size=8", f"data.cache={tmp_path}")
    job = train("fit", *data, "model=linear", "trainer.batch_size=16", "trainer.epochs=1").job
    steps = job.state.passes["measuring"]
    assert isinstance(steps.on_demand, HeldInPlace)
    for split in (job.test, job.validation, job.train):
        measured = measure(job, split)
        p = job.model.predict_on_batch(np.asarray(split.x))[:, 0]
        y = np.asarray(split.y)[:, 0]
        assert measured["loss"] == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean(), rel=1e-4)
        assert job.state.passes["measuring"] is steps


def test_a_damaged_image_ends_the_run_as_an_error_of_the_input(photos, inside, monkeypatch):
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    monkeypatch.setattr(pipeline, "MAX_HELD_BYTES", 0)
    monkeypatch.setattr(compiled_epoch, "MAX_HELD_BYTES", 0)
    shutil.copytree(photos, "photos")
    for name in ("a/8", "b/9"):  # with the beginning and the end of an image
        Image.fromarray(RNG.integers(0, 256, (12, 12, 3), dtype="uint8")).save(f"photos/{name}.png")
        with open(f"photos/{name}.png", "r+b") as stream:
            stream.seek(45)
            stream.write(b"\xff\xff\xff\xff")
    with pytest.raises(UserError) as error:
        trainrun.run(
            [
                "data=image_folder",
                "data.path=photos",
                "data.size=8",
                "model=linear",
                "trainer=fit",
                "tracking=none",
            ]
        )
    assert [p.message.partition(" cannot be read")[0] for p in error.value.problems] == [
        "photos/a/8.png",
        "photos/b/9.png",
    ]
    (summary,) = inside.glob("outputs/runs/*/summary.json")
    assert json.loads(summary.read_text())["status"] == "FAILED"
