"""The file of a checkpoint: whole or refused, at any byte; the ones before it stay."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile

import ml_dtypes
import numpy as np
import pytest

from trainrun.checkpoint import file as stored

ABOUT = {"epoch": 2, "step": 5, "names": {"weights/0000": "dense/kernel"}}


def arrays(value=1.0):
    return {
        "weights/0000": np.full((3, 4), value, "float32"),
        "weights/0001": np.array(value, "float64"),
        "random.0": np.arange(7, dtype="uint32"),
        "empty": np.zeros((0, 3), "int64"),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / stored.FOLDER / stored.LAST


@pytest.fixture
def whole(path):
    stored.write(path, arrays(), ABOUT)
    return path.read_bytes()


def test_what_is_read_is_what_was_written(path, whole):
    read_back = stored.read(path)
    assert (read_back.epoch, read_back.step, read_back.about["names"]) == (2, 5, ABOUT["names"])
    for name, array in arrays().items():
        assert read_back.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(read_back.arrays[name], array)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4"])
def test_types_that_numpy_does_not_know_come_back(name, path):
    array = np.array([[0.5, -1.0], [2.0, 0.0]]).astype(getattr(ml_dtypes, name))
    stored.write(path, {"a": array}, ABOUT)
    read_back = stored.read(path).arrays["a"]
    assert read_back.dtype == array.dtype and read_back.tobytes() == array.tobytes()


def test_nan_infinity_and_minus_zero_keep_their_bits(path):
    bits = np.array([0x7FC00001, 0xFF800000, 0x80000000, 0x00000001], "uint32").view("float32")
    stored.write(path, {"a": bits}, ABOUT)
    assert stored.read(path).arrays["a"].tobytes() == bits.tobytes()


def test_a_file_cut_short_at_any_byte_is_refused(path, whole):
    random_cuts = random.Random(0).sample(range(len(whole)), 150)
    for length in {0, 1, 3, 4, 21, 22, 30, len(whole) - 22, len(whole) - 1, *random_cuts}:
        path.write_bytes(whole[:length])
        with pytest.raises(stored.Damaged, match=r"last\.npz is damaged: \S"):
            stored.read(path)


def test_a_flipped_bit_is_refused_or_changes_nothing(path, whole):
    draw, refused = random.Random(1), 0
    original = stored.read(path)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            read_back = stored.read(path)
        except stored.Damaged:
            refused += 1
            continue
        # In a time stamp, say, which nobody reads.
        assert stored.digest(read_back.arrays) == stored.digest(original.arrays)
        assert read_back.about == original.about
    assert refused > 250


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00", b"not a checkpoint", b"\x80\x04\x95."],
    ids=["empty", "empty zip", "npy", "text", "pickle"],
)
def test_what_is_no_checkpoint_is_refused(content, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(stored.Damaged):
        stored.read(path)


def test_a_pickle_inside_is_never_loaded(path, whole):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(path.parent / "exploded"),))

    pickled = io.BytesIO()
    np.save(pickled, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("weights/0002.npy", pickled.getvalue())
    with pytest.raises(stored.Damaged):
        stored.read(path)
    assert not (path.parent / "exploded").exists()


def test_an_entry_that_is_there_twice_is_refused(path, whole):
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("weights/0000.npy", zipfile.ZipFile(path).read("weights/0000.npy"))
    with pytest.raises(stored.Damaged, match="twice"):
        stored.read(path)


def test_newer_format_is_refused_with_the_way_out(path, monkeypatch):
    monkeypatch.setattr(stored, "FORMAT", 99)
    stored.write(path, arrays(), ABOUT)
    monkeypatch.undo()
    with pytest.raises(stored.Damaged, match=r"format 99.*update trainrun"):
        stored.read(path)


def test_a_file_that_is_not_there_is_named(path):
    with pytest.raises(stored.Damaged, match=r"last\.npz does not exist"):
        stored.read(path)


def test_so_many_are_kept_the_newest_first(path):
    for epoch in range(6):
        stored.write(path, arrays(), {**ABOUT, "epoch": epoch}, keep=3)
    run_dir = path.parent.parent
    assert [p.name for p in stored.files(run_dir)] == ["last.npz", "last.1.npz", "last.2.npz"]
    assert [stored.read(p).epoch for p in stored.files(run_dir)] == [5, 4, 3]
    stored.write(path, arrays(), {**ABOUT, "epoch": 6}, keep=1)
    assert sorted(p.name for p in path.parent.iterdir()) == ["last.npz"]


def test_files_of_other_names_are_left_alone(path):
    stored.write(path, arrays(), ABOUT, keep=2)
    for name in ("last.old.npz", "mine.npz", "last.npz.bak"):
        (path.parent / name).write_bytes(b"mine")
    for _ in range(3):
        stored.write(path, arrays(), ABOUT, keep=2)
    assert {p.name for p in path.parent.iterdir()} == {
        "last.npz", "last.1.npz", "last.old.npz", "mine.npz", "last.npz.bak",
    }  # fmt: skip


def test_the_newest_whole_one_is_taken_and_each_damaged_one_named(path):
    for epoch in range(3):
        stored.write(path, arrays(), {**ABOUT, "epoch": epoch}, keep=3)
    path.write_bytes(b"")
    (path.parent / "last.1.npz").write_bytes((path.parent / "last.1.npz").read_bytes()[:-9])
    read_back, damage = stored.newest(path.parent.parent)
    assert read_back.epoch == 0
    assert len(damage) == 2 and "last.npz" in damage[0] and "last.1.npz" in damage[1]


@pytest.mark.parametrize("failing", ["fsync", "replace", "link"])
def test_a_writing_that_fails_leaves_what_was_there(failing, path, monkeypatch):
    stored.write(path, arrays(1.0), {**ABOUT, "epoch": 1}, keep=2)
    real = getattr(os, failing)

    def fail(*arguments, **more):
        if failing != "replace" or arguments[1] == path:
            raise OSError(28, "No space left on device")
        return real(*arguments, **more)

    monkeypatch.setattr(os, failing, fail)
    if failing == "link":  # a file system without hard links is served all the same
        stored.write(path, arrays(2.0), {**ABOUT, "epoch": 2}, keep=2)
    else:
        with pytest.raises(OSError, match="No space"):
            stored.write(path, arrays(2.0), {**ABOUT, "epoch": 2}, keep=2)
    monkeypatch.undo()
    read_back, damage = stored.newest(path.parent.parent)
    assert read_back.epoch == (2 if failing == "link" else 1) and not damage
    assert not [p.name for p in path.parent.iterdir() if p.name.startswith(".")]


def test_the_disk_has_the_file_before_it_has_its_name(path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, name=name: (done.append(name), real(*a))[1])
    stored.write(path, arrays(), ABOUT)
    assert done == ["fsync", "replace", "fsync"]  # the file, its name, the folder


def test_only_temporary_files_of_a_killed_writer_are_removed(path, whole):
    (path.parent / ".last.npz.4711").write_bytes(whole[:100])
    (path.parent / ".best.npz.4711").write_bytes(b"")
    (path.parent / ".mine").write_bytes(b"")
    stored.tidy(path.parent)
    assert sorted(p.name for p in path.parent.iterdir()) == [".mine", "last.npz"]


def test_about_is_plain_json(path, whole):
    with zipfile.ZipFile(path) as file:
        raw = np.load(io.BytesIO(file.read("about.npy")))
    assert json.loads(raw.tobytes())["format"] == stored.FORMAT


def test_a_file_is_the_same_whether_it_is_put_together_in_memory_or_not(path, monkeypatch):
    """Either is numpy's own `.npz`, read here by numpy."""
    read_back = []
    for limit in (stored.IN_MEMORY_BYTES, -1):
        monkeypatch.setattr(stored, "IN_MEMORY_BYTES", limit)
        stored.write(path, arrays(), ABOUT)
        with np.load(path, allow_pickle=False) as file:
            read_back.append({name: (file[name].dtype.str, file[name].tolist()) for name in file.files})
    assert read_back[0] == read_back[1] and read_back[0]["random.0"] == ("<u4", [*range(7)])
