"""Images in folders or named by a table, against Pillow and Keras' own layers."""

from __future__ import annotations

import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

import trainrun
from trainrun.data import _image_cache, _jpeg
from trainrun.data.image_folder import describe
from trainrun.errors import UserError

RNG = np.random.default_rng(0)


@pytest.fixture
def photos(inside):
    """Three classes of twelve pictures, each of one size; `photos/cats/deep/` belongs to the cats."""
    for c, name in enumerate(("cats", "dogs", "none")):
        for i in range(12):
            folder = inside / "photos" / name / ("deep" if i % 2 else "")
            folder.mkdir(parents=True, exist_ok=True)
            pixels = RNG.integers(80 * c, 80 * c + 80, (20, 30, 3), dtype="uint8")
            Image.fromarray(pixels).save(folder / f"{i}.png")
    (inside / "photos" / "cats" / "Thumbs.db").write_text("no image")
    return inside / "photos"


def load(**arguments):
    return trainrun.build("data", "image_folder", **arguments)


def pixels(*parts):
    return np.concatenate([np.asarray(part.x) for part in parts if part is not None])


def test_each_folder_is_a_class_and_pixels_are_those_of_the_files(photos):
    data, known = load(path=str(photos)), describe(path=str(photos))
    assert data.target.classes == known.class_names == ("cats", "dogs", "none")
    assert (data.inputs[0].shape, data.inputs[0].kind) == ((20, 30, 3), "image")
    assert len(data.train) == known.examples
    expected = [np.asarray(Image.open(p), "float64") / 255 for p in photos.rglob("*.png")]
    assert np.sort(pixels(data.train, data.validation, data.test).ravel()) == pytest.approx(
        np.sort(np.ravel(expected)), abs=1e-6
    )
    # Each class has its own range of brightness.
    assert ((data.test.x.mean(axis=(1, 2, 3)) * 255 // 80) == data.test.y).all()


# The last one is of a tenth of the pixels: each image is resized by itself.
@pytest.mark.parametrize(
    ("resize", "size"), [("stretch", [8, 10]), ("crop", [8, 10]), ("pad", [8, 10]), ("stretch", [4, 8])]
)
def test_images_are_resized_as_by_keras(photos, resize, size):
    data = load(path=str(photos), size=size, resize=resize, validation=0, test=0)
    options = {"crop_to_aspect_ratio": resize == "crop", "pad_to_aspect_ratio": resize == "pad"}
    layer = keras.layers.Resizing(*size, antialias=True, **options)
    for value, path in zip(data.train.x, sorted(photos.rglob("*.png"), key=str), strict=True):
        expected = np.round(layer(np.asarray(Image.open(path), "float32")[None]))[0] / 255
        assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (4, "RGBA")])
def test_channels(photos, channels, mode):
    data = load(path=str(photos), channels=channels, validation=0, test=0)
    first = np.asarray(Image.open(min(photos.rglob("*.png"), key=str)).convert(mode)).reshape(
        20, 30, channels
    )
    assert data.train.x[0] == pytest.approx(first / 255, abs=1e-6)


@pytest.mark.parametrize("channels", [3, 4])
def test_transparency_and_frames_that_are_left_out_are_told(photos, channels):
    Image.new("RGBA", (30, 20), (9, 8, 7, 0)).save(photos / "cats" / "0.png")
    frames = [Image.new("RGB", (30, 20), color) for color in ("red", "blue")]
    frames[0].save(photos / "cats" / "1.gif", save_all=True, append_images=frames[1:])
    data = load(path=str(photos), channels=channels, validation=0, test=0)
    *transparent, animated = data.inferred["notices"]
    assert f"1 of 37 image files ({photos / 'cats' / '1.gif'}) has several frames" in animated
    assert len(transparent) == (channels == 3)
    if transparent:
        assert "0.png) has transparency, which is left out" in transparent[0]
        assert "data.channels=4" in transparent[0]
        kept = data.train.x[sorted(map(str, photos.rglob("*.[pg]*"))).index(str(photos / "cats" / "0.png"))]
        assert (kept * 255).round().tolist() == keras.utils.img_to_array(
            Image.new("RGB", (30, 20), (9, 8, 7))
        ).tolist()


def test_images_are_decoded_once_until_their_content_changes(photos, monkeypatch):
    first = load(path=str(photos), size=8).digest()
    cache = [*photos.parent.glob("outputs/.cache/images/*.npy")]
    assert len(cache) == 1
    moved = photos.rename(photos.parent / "moved")
    assert load(path=str(moved), size=8).digest() == first
    assert [*photos.parent.glob("outputs/.cache/images/*.npy")] == cache
    Image.new("RGB", (9, 9)).save(moved / "cats" / "0.png")
    assert load(path=str(moved), size=8).digest() != first
    shutil.copytree(moved, moved.parent / "again")
    for _ in range(2):  # files that are equal are known from the cache, too
        data = load(path=str(moved), size=8, test_path=str(moved.parent / "again"), validation=0)
        (notice,) = data.inferred["notices"]
        assert "36 of the 36 test images are the same, with the same target, as a training one" in notice


def test_a_table_names_images_and_numbers(photos):
    rows = [(p.relative_to(photos.parent), i) for i, p in enumerate(sorted(photos.rglob("*.png"), key=str))]
    table = photos.parent / "ages.csv"
    table.write_text("file,age\n" + "".join(f"{p},{i + 0.5}\n" for p, i in rows))
    data = load(path=str(table), image="file", target="age", validation=0, test=0)
    assert (data.task, data.train.y.ravel().tolist()) == ("regression", [i + 0.5 for _, i in rows])
    assert data.train.x[3] == pytest.approx(
        np.asarray(Image.open(photos.parent / rows[3][0])) / 255, abs=1e-6
    )


def test_rows_without_an_image_or_target_are_left_out(photos):
    files = sorted(photos.rglob("*.png"))
    rows = [f"{f},{i + 0.5}" for i, f in enumerate(files)]
    rows[2], rows[4] = ",2.5", f"{files[4]},"
    table = photos.parent / "gaps.csv"
    table.write_text("\n".join(["file,age", *rows]) + "\n")
    data = load(path=str(table), image="file", target="age", validation=0, test=0)
    assert data.train.y.ravel().tolist() == [i + 0.5 for i in range(len(files)) if i not in (2, 4)]
    with pytest.raises(UserError, match="column file: 1 missing values, the first in line 4"):
        load(path=str(table), image="file", target="age", missing="error")


def test_a_field_of_a_table_has_several_labels_of_an_image(photos):
    files = sorted(photos.rglob("*.png"))
    tags = ["sea;sun", "sun", ""] * 12
    table = photos.parent / "tags.csv"
    table.write_text("file,tags\n" + "".join(f"{f},{t}\n" for f, t in zip(files, tags, strict=True)))
    arguments = {"path": str(table), "image": "file", "target": "tags", "label_separator": ";"}
    data = load(**arguments, validation=0, test=0)
    assert (data.target.kind, data.target.classes) == ("multilabel", ("sea", "sun"))
    assert data.train.y.tolist() == [[1, 1], [0, 1], [0, 0]] * 12
    assert not describe(**arguments).problems
    (problem,) = describe(path=str(photos), label_separator=";").problems
    assert problem[0] == "label_separator" and "the folders are the classes" in problem[1]


def test_parts_of_their_own(photos):
    held_out = photos.parent / "held_out" / "dogs"
    held_out.mkdir(parents=True)
    (photos / "dogs" / "0.png").rename(held_out / "0.png")
    (held_out.parent / "cats").mkdir()
    (photos / "cats" / "0.png").rename(held_out.parent / "cats" / "0.png")
    data = load(path=str(photos), test_path=str(held_out.parent))
    assert (len(data.test), data.test.y.tolist()) == (2, [0, 1])
    assert len(data.train) + len(data.validation) == 34
    shutil.rmtree(held_out.parent / "cats")  # a part of one class
    assert load(path=str(photos), test_path=str(held_out.parent)).test.y.tolist() == [1]
    with pytest.raises(UserError, match=r"data.test_path: the classes deep have no folder in"):
        load(path=str(photos), test_path=str(photos / "cats"))
    with pytest.raises(
        UserError, match=r"data.test_path: expected a folder for each class, .* has no folders"
    ):
        load(path=str(photos), test_path=str(held_out))


@pytest.mark.parametrize("form", ["folders", "tables"])
def test_further_validation_sets_have_the_classes_of_the_training_part(photos, form):
    night = photos.parent / "elsewhere" / "night"
    for name in ("none", "dogs"):
        (night / name).mkdir(parents=True)
        Image.new("RGB", (30, 20), "#0a0000").save(night / name / "1.png")
    arguments, path, own = {}, photos, night
    if form == "tables":  # each beside its images
        arguments, path, own = {"image": "file", "target": "kind"}, photos / "t.csv", night / "t.csv"
        for table in (path, own):
            rows = [(file.relative_to(table.parent), file) for file in sorted(table.parent.rglob("*.png"))]
            lines = [f"{name},a {name.parts[0]}" for name, _ in rows]  # none would be missing
            table.write_text("\n".join(["file,kind", *lines]) + "\n")
    arguments |= {"path": str(path), "validation_sets": {"night": str(own)}}
    data = load(**arguments)
    assert (len(data.train), len(data.validation), len(data.test)) == (22, 7, 7)
    dark = data.validation_sets["night"]
    assert [data.target.classes[i].removeprefix("a ") for i in dark.y] == ["dogs", "none"]
    files = [night / name / "1.png" for name in ("dogs", "none")]
    np.testing.assert_array_equal(
        np.asarray(dark.x), np.stack([np.asarray(Image.open(f)) for f in files]).astype("float32") / 255
    )
    assert describe(**arguments).examples == 22
    shutil.copytree(night / "dogs", night / "cows")
    if form == "tables":
        own.write_text(own.read_text() + "cows/1.png,cows\n")
    (fault,) = describe(**arguments).problems
    assert fault[0] == "validation_sets.night" and "cows" in fault[1]
    with pytest.raises(UserError, match=r"data.validation_sets.night: .*cows"):
        load(**arguments)


def test_photographs_are_turned_as_the_camera_says(photos):
    picture = Image.fromarray(RNG.integers(0, 256, (30, 20, 3), dtype="uint8"))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(photos / "cats" / "0.png", exif=exif)
    data = load(path=str(photos), validation=0, test=0)
    assert data.train.x[0] == pytest.approx(np.rot90(np.asarray(picture), -1) / 255, abs=1e-6)


@pytest.mark.parametrize(("channels", "kept"), [(3, 2**20), (1, 0)])
def test_jpegs_have_the_pixels_of_pillow(inside, monkeypatch, channels, kept):
    monkeypatch.setattr(_image_cache, "MOST_KEPT", kept)  # bytes that are not read again
    picture = Image.fromarray(RNG.integers(0, 256, (5, 7, 3), dtype="uint8")).resize((33, 21))
    exif = picture.getexif()
    exif[0x0112] = 3
    ways = [{"subsampling": k} for k in range(3)] + [{"progressive": True}, {"quality": 20}, {"exif": exif}]
    pictures = [(picture, way) for way in ways] + [(picture.convert(mode), {}) for mode in ("L", "CMYK")]
    expected = []
    for i, (one, way) in enumerate(pictures):
        file = inside / "photos" / f"{i % 2}" / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        one.save(file, **way)
        shown = ImageOps.exif_transpose(Image.open(file)).convert({1: "L", 3: "RGB"}[channels])
        expected.append(np.asarray(shown, "float32").reshape(21, 33, channels))
    data = load(path="photos", channels=channels, validation=0, test=0)
    assert np.array_equal(np.round(data.train.x * 255), expected[::2] + expected[1::2])
    # Of these, TensorFlow decodes so many.
    files = sorted((inside / "photos").rglob("*.jpg"))
    assert sum(_jpeg.read(str(file), channels) is not None for file in files) == {3: 6, 1: 1}[channels]
    files[0].write_bytes(files[0].read_bytes()[:-200])
    with pytest.raises(UserError, match=r"0/0.jpg cannot be read as an image: image file is truncated"):
        load(path="photos", channels=channels, validation=0, test=0)


@pytest.fixture
def masked(inside):
    """Ten pictures, with masks of the numbers 0, 3 and 7 in a folder beside them."""
    masks = RNG.choice(np.array([0, 3, 7], "uint8"), (10, 20, 30))
    for i, mask in enumerate(masks):
        for folder in ("pictures", "masks"):
            (inside / folder / f"{i % 2}").mkdir(parents=True, exist_ok=True)
        picture = np.repeat(30 * mask[..., None], 3, axis=-1)
        Image.fromarray(picture).save(inside / "pictures" / f"{i % 2}" / f"{i}.bmp")
        mode = "P" if i == 4 else None  # a palette's colours do not count, its indices do
        image = Image.fromarray(mask)
        if mode:
            image = Image.frombytes("P", image.size, image.tobytes())
            image.putpalette(RNG.integers(0, 256, 768).tolist())
        image.save(inside / "masks" / f"{i % 2}" / f"{i}.png")
    return masks


def test_equal_images_with_equal_masks_are_told(masked, inside):
    for folder, ending in (("pictures", "bmp"), ("masks", "png")):
        for i in range(0, 10, 2):
            for copy in range(10, 20):
                shutil.copy(inside / f"{folder}/0/{i}.{ending}", inside / f"{folder}/0/{i}-{copy}.{ending}")
    (notice, _) = load(path="pictures", mask="masks").inferred["notices"]
    assert "validation images are the same, with the same target, as a training one" in notice
    for file in (inside / "masks/0").glob("*-*.png"):
        Image.fromarray(RNG.choice(np.array([0, 3, 7], "uint8"), (20, 30))).save(file)
    assert load(path="pictures", mask="masks").inferred["notices"] == []


def test_a_number_of_held_out_masks_only_is_told(masked, inside):
    for what, folder in (("images", "pictures"), ("masks", "masks")):
        shutil.copytree(inside / folder / "0", inside / "night" / what)
        shutil.move(inside / folder, inside / "day" / what)

    def notices():
        data = load(path="day/images", mask="day/masks", validation_path="night/images", test=0)
        return [notice for notice in data.inferred["notices"] if "no training mask" in notice]

    assert notices() == []
    for i in (0, 2):
        masked[i, 0, 0] = 9
        Image.fromarray(masked[i]).save(inside / f"night/masks/{i}.png")
    (notice,) = notices()
    assert "numbers of the 5 validation masks" in notice and ": 9 (in 2)." in notice


@pytest.mark.parametrize("form", ["folders", "a table"])
def test_masks_are_the_target_of_their_images(masked, form):
    if form == "folders":
        arguments = {"path": "pictures", "mask": "masks"}
    else:
        rows = [f"pictures/{i % 2}/{i}.bmp,masks/{i % 2}/{i}.png" for i in range(10)]
        with open("t.csv", "w", encoding="utf-8") as file:
            file.write("\n".join(["picture,mask", *rows]))
        arguments = {"path": "t.csv", "image": "picture", "mask": "mask"}
    data = load(**arguments)
    assert (data.task, data.target.classes, data.target.shape) == ("segmentation", ("0", "3", "7"), (20, 30))
    assert describe(**arguments).task == "segmentation"
    for part in data.parts.values():
        shown = np.round(part.x[..., 0] * 255 / 30)
        assert np.array_equal(np.array([0, 3, 7])[part.y], shown)
    small = load(**arguments, size=[10, 15], validation=0, test=0)
    order = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9] if form == "folders" else range(10)
    nearest = np.searchsorted([0, 3, 7], masked[list(order)][:, 1::2, 1::2])  # of pixel centres
    assert np.array_equal(small.train.y, nearest)


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (lambda p: (p / "masks/0/0.png").unlink(), {}, r"data.mask: pictures/0/0.bmp have no mask in masks"),
        (lambda p: Image.new("RGB", (30, 20), "red").save(p / "masks/0/0.png"), {}, r"data.mask: .*one number a pixel, its class; this image is RGB"),
        (lambda p: Image.new("L", (9, 9)).save(p / "masks/0/0.png"), {}, "different sizes"),
        (lambda p: Image.new("F", (30, 20), 0.5).save((p / "masks/0/0.png").rename(p / "masks/0/0.tif")), {}, "it has the number 0.5; classes are whole"),
        (lambda p: Image.new("I;16", (30, 20), 256).save(p / "masks/0/0.png"), {}, "it has the number 256; classes are whole"),
        (lambda p: Image.new("F", (30, 20), float("nan")).save((p / "masks/0/0.png").rename(p / "masks/0/0.tif")), {}, "it has the number nan"),
        (lambda p: None, {"target": "x"}, "data.target: the masks are the target"),
        (lambda p: None, {"mask": "pictures/0"}, "have no mask|there are no masks"),
    ],
)  # fmt: skip
def test_faults_of_masks_are_named(masked, inside, spoil, arguments, message):
    spoil(inside)
    with pytest.raises(UserError, match=message):
        load(**{"path": "pictures", "mask": "masks", **arguments})


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (lambda p: (p / "cats" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n123"), {"size": 8}, "cats/0.png cannot be read as an image"),
        (lambda p: (p / "cats" / "0.png").write_bytes((p / "cats" / "0.png").read_bytes()[:500]), {}, "cats/0.png cannot be read"),
        (lambda p: (p / "cats" / "0.png").write_bytes(b""), {}, "cats/0.png cannot be read as an image"),
        (lambda p: Image.new("RGB", (9, 9)).save(p / "cats" / "0.png"), {}, r"different sizes: .*0.png 9x9 and .* 20x30 .*data.size="),
        (lambda p: (p / "empty").mkdir(), {}, "no images in the folder empty"),
        (lambda p: p.rename(p.parent / "x"), {}, "there is no file"),
        (lambda p: (p / "dogs").rename(p.parent / "x") and (p / "none").rename(p.parent / "y"), {}, "has one folder, cats"),
        (lambda p: [(p / a).rename(p / b) for a, b in (("cats", "train"), ("dogs", "test"), ("none", "val"))], {}, r"data.path=.*/train data.validation_path=.*/val data.test_path=.*/test"),
        (lambda p: None, {"size": [8]}, r"data.size: expected height and width"),
    ],
)  # fmt: skip
def test_faults_are_named_also_by_the_preflight(photos, spoil, arguments, message):
    spoil(photos)
    problems = describe(path=str(photos), **arguments).problems
    assert any(re.search(message, f"data.{key}: {text}") for key, text in problems)
    with pytest.raises(UserError, match=message):
        load(path=str(photos), **arguments)
    assert not (photos.parent / "outputs").exists()


def test_the_preflight_finds_sizes_and_files_that_a_table_names_and_that_are_not(photos):
    Image.new("RGB", (9, 9)).save(photos / "cats" / "0.png")
    assert [key for key, _ in describe(path=str(photos)).problems] == ["size"]
    (photos / "t.csv").write_text(
        "file,kind\n" + "".join(f"{n}/2.png,{n}\n" * 9 for n in ("cats", "dogs")) + "a.png,cats\n"
    )
    (fault,) = describe(path=str(photos / "t.csv"), image="file", target="kind", size=8).problems
    assert re.match(r"there is no image .*a.png. Paths begin at the table's folder", fault[1])
