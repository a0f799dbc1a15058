"""Images that are decoded when they are asked for, into a file that processes share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from trainrun.data import _decoded_rows, _image_cache, _image_decoding, _jpeg, _pixel_file, read_ahead
from trainrun.data._decoded_rows import DecodedRows
from trainrun.data._image_decoding import ImageForm
from trainrun.data.dataset import Dataset, Split, TargetSpec
from trainrun.data.lazy_array import View
from trainrun.errors import UserError

FORM = ImageForm(None, 3, "stretch")


@pytest.fixture
def pictures(tmp_path):
    """Twenty pictures and the paths of their files."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 5, 7, 3), dtype="uint8")
    files = [str(tmp_path / f"{i}.png") for i in range(20)]
    for file, one in zip(files, pixels, strict=True):
        Image.fromarray(one).save(file)
    return pixels, files


@pytest.fixture
def asked(monkeypatch):
    """Return a list of the images that are decoded."""
    numbers, decode = [], _image_decoding.Decoder.__call__
    monkeypatch.setattr(
        _decoded_rows.Decoder, "__call__", lambda self, some: (numbers.extend(some), decode(self, some))[1]
    )
    return numbers


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def opened(files):
    path = _decoded_rows.Path(files[0]).with_name("cache.npy")
    states = [_decoded_rows.state(file) for file in files]
    return DecodedRows(path, files, FORM, (5, 7), [str(i) for i in range(len(files))], states)


def test_each_image_is_decoded_once_by_whoever_asks_first(pictures, asked, tmp_path):
    pixels, files = pictures
    one, other = opened(files), opened(files)
    assert np.array_equal(one[np.array([3, 1, 3])], pixels[[3, 1, 3]])
    assert np.array_equal(other[np.array([1, 4])], pixels[[1, 4]])
    assert sorted(asked) == [1, 3, 4]
    # A process that was killed leaves its images to the next one.
    del one, other
    assert np.array_equal(opened(files)[:], pixels)
    assert sorted(asked) == list(range(20))
    assert sorted(p.name for p in tmp_path.glob("*cache*")) == ["cache.lock", "cache.npy"]
    again = opened(files)
    assert again.complete
    assert np.array_equal(again[4:9], pixels[4:9])
    assert len(asked) == 20


def test_two_at_once_share_the_file(pictures, tmp_path):
    pixels, files = pictures
    orders = [np.arange(20), np.arange(20)[::-1]]
    with ThreadPoolExecutor(4) as pool:
        # Two of them as threads of a process do, two as processes do.
        several = [opened(files)] * 2 + [opened(files), opened(files)]
        got = [*pool.map(lambda rows, order: rows[order], several, orders * 2)]
    for one, order in zip(got, orders * 2, strict=True):
        assert np.array_equal(one, pixels[order])
    assert sorted(p.name for p in tmp_path.glob("*cache*")) == ["cache.lock", "cache.npy"]


def test_marks_of_an_earlier_start_of_the_machine_do_not_count(pictures, asked, monkeypatch, tmp_path):
    pixels, files = pictures
    opened(files)[:9]
    own = _pixel_file.liveness.identity()
    monkeypatch.setattr(_pixel_file.liveness, "identity", lambda: {**own, "process": "later/1"})
    assert np.array_equal(opened(files)[:4], pixels[:4])
    assert sorted(asked) == sorted([*range(9), *range(4)])
    assert len([*tmp_path.glob(".cache.*")]) == 2


def test_a_damaged_image_stops_after_all_others_were_looked_at(pictures, tmp_path):
    _, files = pictures
    rows = opened(files)
    for file in files[5:18]:
        with open(file, "r+b") as stream:
            stream.seek(45)
            stream.write(b"\xff\xff\xff\xff")
    assert len(rows[:5]) == 5
    with pytest.raises(UserError) as error:
        rows[np.array([2, 7])]
    assert len(error.value.problems) == 11
    assert f"{files[5]} cannot be read as an image" in str(error.value.problems[0])
    assert str(error.value.problems[-1]).endswith("and 3 more files.")
    assert rows.fault is error.value
    assert not [*tmp_path.glob(".cache.*")]


def test_a_file_that_is_changed_after_its_digest_was_taken_is_refused(pictures):
    pixels, files = pictures
    rows = opened(files)
    Image.fromarray(pixels[0]).resize((7, 5)).rotate(90).save(files[3])
    with pytest.raises(UserError, match=r"3\.png was changed while images were read"):
        rows[:5]


@pytest.mark.parametrize("content", ["a JPEG", "what only Pillow reads"])
def test_jpegs_are_decoded_from_the_bytes_of_their_digest(pictures, monkeypatch, tmp_path, content):
    pixels, _ = pictures
    file = tmp_path / "one.jpg"
    Image.fromarray(pixels[0]).save(file, quality=90)
    if content != "a JPEG":
        monkeypatch.setattr(_jpeg, "decoder", lambda *_: lambda contents: 1 / 0)
    first = np.asarray(Image.open(file))
    rows, _ = _image_cache.decoded([str(file)], FORM, tmp_path)
    Image.fromarray(pixels[1]).save(file, quality=90)
    assert np.array_equal(rows[:][0], first)


def test_a_disk_without_room_is_named(pictures, monkeypatch):
    monkeypatch.setattr(_pixel_file.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(UserError, match=r"data.cache: the decoded images take 2,100 bytes"):
        opened(pictures[1])


def test_a_thread_reads_ahead_while_a_run_trains(pictures, asked, monkeypatch):
    monkeypatch.setattr(read_ahead, "TEST_AFTER_S", 0.2)
    _, files = pictures
    view = View.of(rows := opened(files))
    x, y = [view.part(np.array(i)) for i in ([0, 1], [2, 3])], np.zeros(2)
    data = Dataset("some", "regression", (), TargetSpec("real"), Split(x[0], y), test=Split(x[1], y))
    with read_ahead.reading(data):
        rows[np.array([0])]
    with read_ahead.reading(data):
        time.sleep(3 * read_ahead.POLL_INTERVAL_S)
        assert {*asked}.isdisjoint({1, 2, 3})  # the first batch has all processors
        rows[np.array([10, 11])]
        wait_until(lambda: {*asked} >= {0, 1, 2, 3})
    assert asked[-2:] == [2, 3]  # a short training does not need them
    assert 4 not in asked
    rows.prepare(np.arange(18))
    with open(files[19], "r+b") as stream:
        stream.write(b"damaged")
    far = replace(data, test=Split(view.part(slice(18, 20)), y))
    with read_ahead.reading(far), pytest.raises(UserError, match=r"19.png cannot be read as an image"):
        rows.asked += 1
        wait_until(lambda: rows.prepare(np.array([], "int64")))
    assert read_ahead.fault(far) is rows.fault
