"""TFRecord files against the same arrays in an .npz: the same examples to the bit; damaged records named by file and index."""

from __future__ import annotations

import gzip
import io
import os
import resource

import numpy as np
import pytest
from PIL import Image

import trainrun
from trainrun.data import _arrays, _record_index
from trainrun.data.lazy_array import View
from trainrun.data.tfrecord import describe
from trainrun.errors import UserError

RNG = np.random.default_rng(0)
N = 50
PIXELS = RNG.integers(0, 256, (N, 4, 5, 3), dtype="uint8")
NUMBERS, IDS = RNG.normal(size=(N, 3)).astype("float32"), RNG.integers(0, 9, (N, 2))
LABELS, WEIGHTS = np.arange(N) % 3, np.arange(1, N + 1, dtype="float32")
FEATURES = {
    "image": {"dtype": "image", "shape": [4, 5, 3]},
    "raw": {"dtype": "uint8", "shape": [4, 5, 3]},
    "numbers": {"dtype": "float32", "shape": [3]},
    "ids": {"dtype": "int64", "shape": [2]},
    "label": "int64",
    "name": "text",
    "weight": "float32",
}


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def example(i, **changed):
    import tensorflow as tf

    values = {"image": [png(PIXELS[i])], "raw": [PIXELS[i].tobytes()], "numbers": NUMBERS[i], "ids": IDS[i],
              "label": [LABELS[i]], "name": [b"abc"[LABELS[i] :][:1]], "weight": [WEIGHTS[i]]} | changed  # fmt: skip
    feature = {}
    for name, items in values.items():
        kind = (
            "bytes"
            if isinstance(items[0], bytes)
            else "int64"
            if np.asarray(items).dtype.kind == "i"
            else "float"
        )
        lists = {"bytes": tf.train.BytesList, "int64": tf.train.Int64List, "float": tf.train.FloatList}
        feature[name] = tf.train.Feature(**{f"{kind}_list": lists[kind](value=items)})
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write(path, rows, **changed):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for i in rows:
            writer.write(example(i, **changed))
    return str(path)


def load(path, x, **arguments):
    return trainrun.build("data", "tfrecord", **{"path": str(path), "features": FEATURES, "x": x} | arguments)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("x", "array"), [("image", PIXELS), ("raw", PIXELS), ("numbers", NUMBERS), ("ids", IDS)], ids=str
)
def test_examples_are_those_of_the_same_arrays(tmp_path, monkeypatch, x, array, in_memory):
    if not in_memory:
        monkeypatch.setattr(_arrays, "IN_MEMORY", -1)
    (tmp_path / "r").mkdir()
    write(tmp_path / "r" / "a.tfrecord", range(20))
    write(tmp_path / "r" / "b.tfrecord", range(20, N))
    np.savez(tmp_path / "a.npz", x=array, y=LABELS, weight=WEIGHTS)
    data = load(tmp_path / "r", x, weight="weight")
    expected = trainrun.build("data", "npz", path=str(tmp_path / "a.npz"), weight="weight")
    assert data.digest() == expected.digest() and isinstance(data.train.x, View) is not in_memory
    assert (data.target, data.inputs[0].kind) == (expected.target, expected.inputs[0].kind)
    order = np.array([7, 0, 29, 7])
    assert np.array_equal(data.train.x[order], expected.train.x[order])


def test_more_files_than_a_process_may_open(tmp_path, monkeypatch):
    monkeypatch.setattr(_arrays, "IN_MEMORY", -1)
    files = [write(tmp_path / f"{i:03}.tfrecord", [i % N]) for i in range(160)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 200, hard))
        data = load(tmp_path, "numbers", standardize=False, validation=0, test=0)
        assert np.array_equal(data.train.x[:], NUMBERS[np.arange(160) % N])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    write(files[7], [7, 8])
    with pytest.raises(UserError, match=r"007\.tfrecord was written to while it was read"):
        data.train.x[:9]


def test_parts_of_their_own_files_and_texts_as_classes(tmp_path):
    files = [write(tmp_path / f"{name}.tfrecord", rows) for name, rows in
             (("train", range(9, N)), ("validation", range(3)), ("test", range(3, 9)))]  # fmt: skip
    paths = {"validation_path": files[1], "test_path": files[2]}
    data = load(files[0], "numbers", y="name", standardize=False, **paths)
    assert np.array_equal(data.train.x, NUMBERS[9:]) and np.array_equal(data.test.x, NUMBERS[3:9])
    assert data.target.classes == ("a", "b", "c") and data.validation.y.tolist() == LABELS[:3].tolist()
    strange = write(tmp_path / "strange.tfrecord", range(2), name=[b"d"])
    with pytest.raises(
        UserError, match=r"2 of 2 test examples are of classes that no training example has.*'d' \(2\)"
    ):
        load(files[0], "numbers", y="name", test_path=strange)
    sets = {"hard": files[1], "easy": files[2]}
    further = load(files[0], "numbers", validation_sets=sets, test=0.5)
    drawn = load(files[0], "numbers", test=0.5)
    mean, std = (np.float64(drawn.preprocessing["standardize"][k]) for k in ("mean", "std"))
    for rows, split in zip((slice(3), slice(3, 9)), further.validation_sets.values(), strict=True):
        np.testing.assert_allclose(split.x, (NUMBERS[rows] - mean) / std, rtol=1e-6)
        assert split.y.tolist() == LABELS[rows].tolist()
    assert list(further.validation_sets) == ["hard", "easy"]
    assert np.array_equal(further.train.x, drawn.train.x) and np.array_equal(further.test.y, drawn.test.y)
    with pytest.raises(UserError, match=r"2 of 2 odd examples are of classes that no training example has"):
        load(files[0], "numbers", y="name", validation_sets={"odd": strange})
    none = write(tmp_path / "none.tfrecord", [])
    arguments = {"path": files[0], "features": FEATURES, "x": "image"}
    for named, own in (("validation_sets", {"validation_sets": {"a b": files[1]}}), ("validation_path", {"validation_path": none}),
                       ("validation_sets.x", {"validation_sets": {"x": None}}), ("validation_sets.x", {"validation_sets": {"x": none}})):  # fmt: skip
        assert [fault for fault, _ in describe(**arguments, **own).problems] == [named]
    known = describe(path=files[0], features=FEATURES, x="image", y="name", **paths)
    assert (known.examples, known.inputs) == (N - 9, ("image",))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b, at: b[: at[7] + 20] + bytes([b[at[7] + 20] ^ 1]) + b[at[7] + 21 :], "record 7: it is damaged"),
        (lambda b, at: b[: at[7] - 12] + b"\1" + b[at[7] - 11 :], "record 7: it is damaged: the checksum of its length"),
        (lambda b, at: b[: at[7] + 20], "record 7: the file is cut short"),
        (lambda b, at: gzip.compress(b), "record 0: the file is compressed.*gunzip"),
        (lambda b, at: b"no records at all", "record 0: it is no TFRecord file"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_named_by_file_and_index(tmp_path, damage, message):
    path = tmp_path / "a.tfrecord"
    write(path, range(12))
    index, _ = _record_index.index([path])
    path.write_bytes(damage(path.read_bytes(), index.starts.tolist()))
    arguments = {"features": FEATURES, "x": "numbers"}
    (key, text), *_ = describe(path=str(path), **arguments).problems
    assert key == "path" and text.startswith(f"{path}, record ")
    with pytest.raises(UserError, match=rf"data\.path: .*a.tfrecord, {message}"):
        load(path, "numbers")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": None}, r"features: expected what a record has, got null. The first record has: data.features=\{.*label: int64"),
        ({"features": {"label": "int46"}}, "features: label: expected one of float32, int64.*Did you mean int64"),
        ({"features": {"image": "image", "label": "int64"}}, "features: image: an image needs a shape of height, width"),
        ({"features": {"numbers": {"dtype": "float32", "shape": [4]}, "label": "int64"}}, "numbers: expected 4 of float32; .*record 0 has 3"),
        ({"features": {"numbers": {"dtype": "float32", "shape": [3]}, "label": "float32"}}, "label: expected 1 of float32; .*has 1 of int64"),
        ({"features": {"nubers": "float32", "label": "int64"}}, "record 0 has no feature 'nubers'. Did you mean numbers"),
        ({"features": {"raw": {"dtype": "image", "shape": [4, 5, 3]}, "label": "int64"}}, "raw: .*bytes that are no image. Is the dtype uint8"),
        ({"features": {"image": {"dtype": "image", "shape": [5, 4, 3]}, "label": "int64"}}, r"features: .*record 0: image is no image of shape \[5, 4, 3\]: it has 4x5 pixels"),
        ({"features": {"raw": {"dtype": "uint8", "shape": [4, 5, 4]}, "label": "int64"}}, r"features: .*record 0: raw is no uint8 of shape \[4, 5, 4\]"),
        ({"x": "nubers"}, "x: data.features has no 'nubers'. Did you mean numbers"),
        ({"y": "lable"}, "y: data.features has no 'lable'. Did you mean label"),
        ({"path": "nothing.tfrecord"}, "path: there is no file"),
        ({"path": __file__, "features": None}, "path: .*record 0: it is no TFRecord file"),
        ({"kind": "picture"}, "kind: expected null or one of numeric, image"),
    ],
)  # fmt: skip
def test_faults_are_refused_by_preflight_and_loading(inside, arguments, message):
    write(inside / "a.tfrecord", range(12))
    arguments = {"path": "a.tfrecord", "features": FEATURES} | arguments
    with pytest.raises(UserError, match=message):
        trainrun.build("data", "tfrecord", **arguments)
    assert describe(**arguments).problems


def test_transparency_that_is_left_out_is_told(tmp_path, capsys):
    clear = np.dstack([PIXELS[0], np.zeros(PIXELS[0].shape[:2], "uint8")])
    data = load(write(tmp_path / "a.tfrecord", range(9), image=[png(clear)]), "image", validation=0, test=0)
    assert "image: the first record's image has transparency, which is left out" in capsys.readouterr().err
    assert np.asarray(data.train.x[0]) * 255 == pytest.approx(PIXELS[0])


def test_a_record_of_another_form_and_an_image_of_another_size_are_named(tmp_path):
    import tensorflow as tf

    for changed, x, message in (
        ({"numbers": [1.0]}, "numbers", "numbers: expected 3 of float32; .*a.tfrecord, record 4 has 1"),
        ({"image": [png(PIXELS[0][:2])]}, "image", r"a.tfrecord, record 4: image is no image of shape \[4, 5, 3\]: it has 2x5"),
        ({"label": [1.5]}, "numbers", "label: expected 1 of int64; .*a.tfrecord, record 4 has 1 of float32"),
    ):  # fmt: skip
        with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
            for i in range(9):
                writer.write(example(i, **(changed if i == 4 else {})))
        with pytest.raises(UserError, match=message):
            load(tmp_path / "a.tfrecord", x)
