"""Image files that are not as most are: other kinds of numbers, and other formats; each is read right, or said not to be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

import trainrun
from trainrun.cli import main
from trainrun.errors import UserError

RNG = np.random.default_rng(0)
PLAIN = ["tracking=none", "artifacts.plots=false", "artifacts.report=false"]


def saved(folder, pixels, ending="png"):
    """Save arrays as the images of two classes, and return their folder."""
    for name, of_class in zip(("high", "low"), np.split(pixels, 2), strict=True):
        (folder / name).mkdir(parents=True)
        for i, image in enumerate(of_class):
            Image.fromarray(image).save(folder / name / f"{i}.{ending}")
    return folder


def load(folder, **arguments):
    return trainrun.build("data", "image_folder", path=str(folder), validation=0, test=0, **arguments)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (RNG.random((8, 6, 6), "float32"), "float32 numbers from 0"),
        (RNG.integers(0, 2**20, (8, 6, 6), "int32"), "int32 numbers from"),
    ],
)
def test_numbers_that_are_neither_bytes_nor_of_16_bits_are_refused(inside, pixels, words):
    with pytest.raises(UserError, match=words):
        load(saved(inside / "scans", pixels, "tif"), channels=1).train.x[:]


def test_images_of_16_bits_are_read_and_told(inside):
    pixels = RNG.integers(0, 2**16, (8, 6, 6), "uint16")
    data = load(saved(inside / "scans", pixels), channels=1)
    assert np.asarray(data.train.x)[..., 0] == pytest.approx(np.floor(pixels / 257) / 255, abs=1e-6)
    (notice,) = data.inferred["notices"]
    assert "8 of 8 image files" in notice and "16 bits a pixel" in notice


def test_files_of_other_endings_are_told(inside, capsys):
    folder = saved(inside / "scans", RNG.integers(0, 256, (8, 6, 6), "uint8"))
    for name in ("high/1.heic", "high/2.HEIC", "low/3.svg", "low/Thumbs.db", "low/.hidden"):
        (folder / name).write_bytes(b"no image")
    Image.new("L", (6, 6)).save(folder / "low" / "4.jfif", "jpeg")
    data = load(folder, channels=1)
    assert len(data.train) == 9
    (notice,) = data.inferred["notices"]
    assert ".heic (2), .svg (1); the first is" in notice and "1.heic" in notice
    trainrun.run(["data=image_folder", "data.path=scans", "data.channels=1", "model=cnn", "model.filters=[2]", "trainer.epochs=1", "trainer.batch_size=2", *PLAIN], "run")  # fmt: skip
    capsys.readouterr()
    assert main(["predict", "run", "scans", "-o", "out.csv"]) == 0
    assert ".heic (2), .svg (1)" in " ".join(capsys.readouterr().err.split())
    # Pillow's own refusal is neither an OSError nor a ValueError.
    Image.new("1", (20_000, 10_000)).save(folder / "high" / "bomb.png")
    assert main(["predict", "run", "scans", "-o", "out.csv"]) == 2
    assert "bomb.png cannot be read as an image" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("size", [None, 8])
def test_masks_of_photographs_that_are_turned_are_told(inside, size):
    turned = Image.Exif()
    turned[0x0112] = 6
    for i in range(10):
        for folder, exif in (("pictures", turned), ("masks", None)):
            (inside / folder).mkdir(exist_ok=True)
            mask = Image.fromarray(RNG.integers(0, 2, (12, 20), "uint8"))
            mask.save(inside / folder / f"{i}.png", **({"exif": exif} if exif and i else {}))
    words = "9 of 10 masks have other proportions .* has 20x12 pixels, its mask 12x20"
    if size is None:
        # The sizes differ among the images, too.
        (inside / "pictures" / "0.png").unlink()
        with pytest.raises(UserError, match=words.replace("10", "9")):
            load(inside / "pictures", mask="masks")
        return
    (notice,) = load(inside / "pictures", mask="masks", size=size).inferred["notices"]
    assert re.search(words, notice)


def test_smaller_masks_are_no_fault(inside):
    for i in range(10):
        for folder, shape in (("pictures", (120, 203)), ("masks", (30, 51))):
            (inside / folder).mkdir(exist_ok=True)
            Image.fromarray(RNG.integers(0, 2, shape, "uint8")).save(inside / folder / f"{i}.png")
    assert not load(inside / "pictures", mask="masks", size=16).inferred["notices"]


def test_names_without_folder_and_ending_are_told_at_once(inside, capsys):
    saved(inside / "scans", RNG.integers(0, 256, (40, 6, 6), "uint8"))
    (inside / "t.csv").write_text("id,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
    assert main(["check", "data=image_folder", "data.path=t.csv", "data.image=id", "data.target=kind", "data.size=6", "trainer.batch_size=4"]) == 2  # fmt: skip
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("there is no image") == 1
    assert "nor 39 others of 40. Paths begin at the table's folder and have the files' endings" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "kind"}, "data.target: the folders are the classes"),
        ({"image": "file"}, "data.image: the folders are the classes"),
        ({"task": "regression"}, "data.task: the folders are classes"),
        ({"cache": "/dev/null/images"}, "data.cache: .* cannot be written: Not a directory"),
    ],
)
def test_what_a_folder_does_not_have_is_refused(inside, arguments, message):
    folder = saved(inside / "scans", RNG.integers(0, 256, (8, 6, 6), "uint8"))
    with pytest.raises(UserError, match=message):
        load(folder, **arguments)
