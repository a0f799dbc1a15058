"""Masks beside images: trained on, and predicted as PNG files and as an array."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import trainrun
from trainrun.cli import main
from trainrun.errors import UserError


def test_a_model_of_masks_writes_masks(inside, capsys):
    random = np.random.default_rng(1)
    for folder in ("pictures", "masks"):
        (inside / folder).mkdir()
    for i in range(16):
        mask = np.zeros((16, 16), "uint8")
        mask[:, : random.integers(4, 12)] = 9
        Image.fromarray(mask * 20).save(inside / "pictures" / f"{i}.png")
        Image.fromarray(mask).save(inside / "masks" / f"{i}.png")
    overrides = ["data=image_folder", "data.path=pictures", "data.mask=masks", "data.channels=1", "model=unet_small",
                 "model.filters=[4,8]", "trainer.epochs=25", "optimizer.learning_rate=0.03", "trainer.batch_size=4",
                 "augment=[random_flip]", "tracking=none", "artifacts.plots=false", "artifacts.report=false"]  # fmt: skip
    result = trainrun.run(overrides, run_dir="run")
    assert result.summary["data"]["classes"].keys() == {"0", "9"}
    assert main(["predict", "./run", "pictures", "-o", "out"]) == 0
    assert main(["predict", "./run", "pictures", "-o", "out.npz"]) == 0
    arrays = np.load("out.npz")
    output = result.model.predict(
        np.stack([np.asarray(Image.open(inside / "pictures" / n)) for n in arrays["image"]]) / 255, verbose=0
    )
    assert np.array_equal(arrays["prediction"], np.where(output[..., 0] > 0.5, 9, 0))
    for name, mask in zip(arrays["image"], arrays["prediction"], strict=True):
        assert np.array_equal(np.asarray(Image.open(inside / "out" / name)), mask)
    true = np.stack([np.asarray(Image.open(inside / "masks" / name)) for name in arrays["image"]])
    assert (arrays["prediction"] == true).mean() > 0.9
    with pytest.raises(UserError, match="each pixel has a class"):
        result.predict("pictures")
    assert np.allclose(result.saved.predict("pictures").output, output, atol=1e-5)
    capsys.readouterr()
    before = (inside / "pictures" / "3.png").read_bytes()
    for image in ("pictures", "pictures/3.png"):
        assert main(["predict", "./run", image, "-o", "pictures"]) == 2
        assert "has what is read, which would be lost" in capsys.readouterr().err
    assert (inside / "pictures" / "3.png").read_bytes() == before
    assert main(["predict", "./run", "pictures", "-o", "out.csv"]) == 2
    assert "masks; expected a folder" in capsys.readouterr().err


def test_masks_of_a_table_have_the_names_of_its_images_or_rows(inside):
    random = np.random.default_rng(1)
    (inside / "scans").mkdir()
    for i in range(8):
        mask = random.integers(0, 2, (16, 16), "uint8")
        for kind, pixels in (("image", mask * 200), ("mask", mask)):
            Image.fromarray(pixels).save(inside / "scans" / f"{i}_{kind}.png")
    lines = ["path,mask", *(f"scans/{i}_image.png,scans/{i}_mask.png" for i in range(8))]
    (inside / "scans.csv").write_text("\n".join(lines))
    overrides = ["data=image_folder", "data.path=scans.csv", "data.image=path", "data.mask=mask", "data.channels=1", "model=unet_small",
                 "model.filters=[4,8]", "trainer.epochs=1", "trainer.batch_size=2", "tracking=none", "artifacts.plots=false", "artifacts.report=false"]  # fmt: skip
    trainrun.run(overrides, run_dir="run")
    outside = inside / "scans" / "0_image.png"
    before = outside.read_bytes()
    # A path that leads out of the folder would lead out of that of the masks, to the image itself.
    (inside / "new.csv").write_text(f'path\nscans/1_image.png\n""\n{outside}\n')
    assert main(["predict", "./run", "new.csv", "-o", "out"]) == 0
    written = sorted(str(p.relative_to(inside / "out")) for p in (inside / "out").rglob("*.png"))
    assert written == ["000002.png", "scans/1_image.png"]
    assert outside.read_bytes() == before
    assert main(["predict", "./run", "new.csv", "-o", "out.npz"]) == 0
    assert np.load("out.npz")["image"].tolist() == ["scans/1_image.png", "", str(outside)]
