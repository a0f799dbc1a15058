"""Inputs that stay where they lie: the same bits as arrays in memory, little memory, faults told in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from trainrun.data import _arrays, _csv_reading, _gaps, _npz_file, _spool, csv
from trainrun.data._mapped import Mapped
from trainrun.data._split import split, standardizer
from trainrun.data.lazy_array import BLOCK, View, blocks
from trainrun.errors import UserError
from trainrun.registry.construct import construct

RNG = np.random.default_rng(0)
N = 300
NUMBERS = RNG.normal(3, 2, (N, 7)).astype("float32")
IMAGES = RNG.integers(0, 256, (N, 6, 5, 3), dtype="uint8")
IDS = RNG.integers(0, 40, (N, 4))
TWO, REAL = np.arange(N) % 2, RNG.normal(size=N)


@pytest.fixture
def lazy(monkeypatch):
    """Treat small files as large ones."""
    monkeypatch.setattr(_npz_file, "MAPPED_FROM", 0)
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)


def load(path, **arguments):
    return construct("data", {"name": "npz", "path": str(path), **arguments})


def by_hand(x, y, standardize):
    """The three parts, with whole arrays: what a View makes piece by piece."""
    labels = y if y.dtype.kind == "i" else None
    parts = [x[i] for i in split(len(x), validation=0.2, test=0.2, seed=42, labels=labels)]
    if x.dtype == np.uint8:
        return [p.astype("float32") * np.float32(1 / 255) for p in parts]
    if not standardize:
        return [p.astype("int32") if p.dtype.kind == "i" else p.astype("float32") for p in parts]
    wide = parts[0].astype("float64")
    return [((p - wide.mean(axis=0)) / wide.std(axis=0)).astype("float32") for p in parts]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "packed"])
@pytest.mark.parametrize(
    ("x", "y", "arguments", "standardize"),
    [
        (NUMBERS, REAL, {}, True),
        (NUMBERS, TWO, {"standardize": False}, False),
        (NUMBERS.astype(">f4"), REAL, {}, True),
        (np.asfortranarray(NUMBERS), REAL, {}, True),
        (NUMBERS[:, :1].astype("float64"), REAL, {}, True),
        (IDS - 7, TWO, {}, True),
        (NUMBERS > 3, TWO, {}, True),
        (IMAGES, TWO, {}, False),
        (IDS, TWO, {}, False),
        (IDS, TWO, {"kind": "categorical"}, False),
    ],
)
def test_a_view_holds_the_bits_of_whole_arrays(tmp_path, lazy, save, x, y, arguments, standardize):
    save(tmp_path / "mine.npz", x=x, y=y)
    data = load(tmp_path / "mine.npz", **arguments)
    lies = save is np.savez and x.flags.c_contiguous
    assert isinstance(data.train.x, View) and isinstance(data.train.x.rows, Mapped) == lies
    expected = by_hand(x.astype("float64") if x.dtype == bool else x, y, standardize)
    for part, whole in zip((data.train, data.validation, data.test), expected, strict=True):
        assert part.x.shape == whole.shape and part.x.dtype == whole.dtype and part.x.nbytes == whole.nbytes
        assert np.asarray(part.x).tobytes() == whole.tobytes()
        at = RNG.permutation(len(whole))[:13]
        for key in (at, slice(3, 40, 2), slice(0, 0), np.arange(len(whole)) % 3 == 0, 5, -1):
            assert np.array_equal(part.x[key], whole[key])
        assert np.array_equal(np.asarray(part.part(at).x), part.take(at).x)


def test_the_digest_is_that_of_the_arrays(tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", x=NUMBERS, y=REAL)
    whole = load(tmp_path / "mine.npz").digest()
    monkeypatch.setattr(_npz_file, "MAPPED_FROM", 0)
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    assert load(tmp_path / "mine.npz").digest() == whole


@pytest.mark.parametrize("columns", [1, 2, 3, 8, 17, 256])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_statistics_block_by_block_are_numpys_to_the_bit(columns, dtype):
    size = np.dtype(dtype).itemsize * columns
    x = (RNG.normal(5, 300, (int(3.3 * BLOCK / size), columns))).astype(dtype)
    assert len(list(blocks(x))) == 4
    mean, std = standardizer(View.of(x))
    wide = x.astype("float64")
    assert mean.tobytes() == wide.mean(axis=0).tobytes() and std.tobytes() == wide.std(axis=0).tobytes()


def test_the_median_is_numpys():
    for n in (1, 2, 3, 1000, 5001, 20_000):
        kinds = (
            RNG.normal(5, 300, n),
            np.arange(n) % 7.0,
            np.repeat([1.0, 2.5], n)[: 2 * n],
            np.arange(n) % 20.0,
        )
        for values in kinds:
            assert _gaps.median(values) == np.median(values)


def test_a_large_piece_is_made_in_blocks_of_the_same_bits():
    x = RNG.normal(size=(4000, 200)).astype("float32")
    view, at = View.of(x).standardized(*standardizer(x)), RNG.permutation(4000)
    assert at.size * view.example_bytes > 3 * BLOCK
    whole = ((x - x.astype("float64").mean(axis=0)) / x.astype("float64").std(axis=0)).astype("float32")
    assert np.array_equal(view[at], whole[at])


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path, lazy):
    path = tmp_path / "mine.npz"
    for x in (NUMBERS, IDS - 7):  # numbers of both kinds: only floating ones are looked at for NaN
        np.savez(path, x=x, y=REAL)
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"data\.path: .*is damaged: Bad CRC-32"):
            load(path)


def test_nan_is_named_by_its_example(tmp_path, lazy):
    x = NUMBERS.copy()
    x[[17, 200], [2, 3]] = np.nan, np.inf
    np.savez(tmp_path / "mine.npz", x=x, y=REAL)
    with pytest.raises(UserError, match="2 of 300 examples hold NaN or infinity, the first is example 17"):
        load(tmp_path / "mine.npz")


def test_file_modified_during_training_is_an_error_not_a_crash(tmp_path, lazy):
    path = tmp_path / "mine.npz"
    np.savez(path, x=NUMBERS, y=REAL)
    data = load(path)
    path.write_bytes(b"")  # a read of a mapped page that is gone would end the process
    with pytest.raises(UserError, match=r"mine\.npz was written to while it was read"):
        data.train.x[np.arange(3)]


def test_a_file_that_is_replaced_by_renaming_is_read_to_its_end(tmp_path, lazy):
    path = tmp_path / "mine.npz"
    np.savez(path, x=NUMBERS, y=REAL)
    data = load(path)
    before = data.digest()
    np.savez(tmp_path / "other.npz", x=-NUMBERS, y=REAL)
    os.replace(tmp_path / "other.npz", path)
    assert data.digest() == before


def test_a_cut_entry_is_damage(tmp_path, lazy):
    path = tmp_path / "mine.npz"
    np.savez(path, x=NUMBERS, y=REAL)
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("x.npy")
    entry.file_size += 10**9
    with pytest.raises(ValueError, match="cut short"):
        Mapped.of(path, entry, 128, (N, 7), NUMBERS.dtype)


# The most memory of its own that a process has above what it had after the imports: those are made once, each way to
# train is a fork of what has them.
TRAINED = """
import json, os, sys, threading, time
import keras, tensorflow as tf
import pandas, sklearn.model_selection
from trainrun.run import builders
from trainrun.hydra_bridge import preflight
def memory():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
def train(path, way):
    peak = base = memory()
    def watch():
        nonlocal peak
        while True:
            peak = max(peak, memory())
            time.sleep(0.005)
    threading.Thread(target=watch, daemon=True).start()
    config, problems = preflight.overrides(["tracking=none", "data=npz", f"data.path={path}", "data.task=regression",
        "model=linear", "metric=none", f"trainer={way}", "trainer.batch_size=1024", "trainer.epochs=1"])
    assert not problems, problems
    data = builders.dataset(config)
    data.digest()
    job = builders.job(config, data, tf.distribute.get_strategy())
    builders.trainer(config).train(job, [])
    print("\\n" + json.dumps([way, peak - base]), flush=True)
path, *ways = sys.argv[1:]
for way in ways:
    child = os.fork()
    if not child:
        code = 1
        try:
            train(path, way)
            code = 0
        finally:
            if code:
                import traceback
                traceback.print_exc()
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, way
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell memory so")
def test_training_on_a_large_file_takes_little_more_memory_than_what_is_held(tmp_path):
    x = RNG.random((400_000, 128), dtype="float32")  # 205 MB
    np.savez(tmp_path / "large.npz", x=x, y=x[:, 0] - x[:, 1])
    # `custom` and `fit` hold the training and validation parts, 164 MB, for speed; `train_on_batch` holds nothing. When
    # splits were copies, each of them took 881 MB.
    most = {"fit": 350, "train_on_batch": 130, "custom": 350}
    command = [sys.executable, "-c", TRAINED, str(tmp_path / "large.npz"), *most]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    took = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
    assert took.keys() == most.keys() and all(took[way] < most[way] for way in most), took


@pytest.mark.parametrize("wrong", ["", "1,2\n", "x,2,t,1\n", f"1,2,{'z' * 4000},1\n"])
def test_a_csv_read_in_pieces_is_that_read_at_once(wrong, tmp_path, monkeypatch):
    numbers = np.random.RandomState(0).randn(1500, 2)
    rows = [f"{a:.3f},{'' if i % 7 == 0 else b},t{i % 5} é,{a + b}\n" for i, (a, b) in enumerate(numbers)]
    outcomes = set()
    for end in "\n", "\r\n", "\r":
        path = tmp_path / "data.csv"
        text = "".join(["a,b,c,y\n", *rows[:1200], wrong, *rows[1200:]])[:-1]
        path.write_bytes(text.replace("\n", end).encode())
        for large, piece, block in ((_spool.LARGE, 2**21, 2**18), (0, 5000, 1000), (0, 700, 300)):
            monkeypatch.setattr(_spool, "LARGE", large)
            monkeypatch.setattr(_csv_reading, "PIECE", piece)
            monkeypatch.setattr(_csv_reading, "OF_COLUMN", 0)
            monkeypatch.setattr(_csv_reading, "SMALL_BLOCK", block)
            try:
                outcomes.add(csv.csv(path=str(path), target="y").digest())
            except UserError as error:
                outcomes.add(str(error))
            monkeypatch.undo()
    assert len(outcomes) == 1


@pytest.mark.parametrize("system", ["Linux", "macOS"])
def test_a_large_csv_has_the_values_that_pandas_reads(system, tmp_path, monkeypatch):
    monkeypatch.setattr(_spool, "LARGE", 0)
    if system == "macOS":
        monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(_csv_reading, "PIECE", 5000)
    monkeypatch.setattr(_csv_reading, "OF_COLUMN", 0)
    table = pd.DataFrame(RNG.normal(size=(900, 4)), columns=["a", "b", "c", "y"]).round(3)
    table.loc[table.index % 7 == 3, "b"] = np.nan
    table["c"] = [f"t{i % 5}" for i in range(900)]
    table.to_csv(tmp_path / "data.csv", index=False)
    data = csv.csv(path=str(tmp_path / "data.csv"), target="y", standardize=False, standardize_target=False)
    read, parts = pd.read_csv(tmp_path / "data.csv"), split(900, validation=0.2, test=0.2, seed=42)
    numbers = np.column_stack([read.a, read.b.fillna(read.b[parts[0]].median()), read.b.isna()])
    for part, rows in zip(("train", "validation", "test"), parts, strict=True):
        of_part = getattr(data, part)
        np.testing.assert_array_equal(np.asarray(of_part.x["numeric"]), numbers[rows].astype("float32"))
        np.testing.assert_array_equal(of_part.y[:, 0], read.y[rows])
        assert np.asarray(of_part.x["categorical"])[:, 0].tolist() == [
            1 + rows_at % 5 for rows_at in rows.tolist()
        ]


def test_a_file_of_many_columns_is_written_in_few_pieces_of_each(tmp_path, monkeypatch):
    monkeypatch.setattr(_spool, "LARGE", 0)
    table = pd.DataFrame(RNG.normal(size=(900, 600)).round(3)).add_prefix("c")  # 3.7 MB of text
    table.to_csv(tmp_path / "data.csv", index=False)
    write, writes = _spool.write_all, []
    monkeypatch.setattr(_spool, "write_all", lambda *job: (writes.append(job), write(*job)))
    monkeypatch.setattr(_csv_reading, "PIECE", 20_000)
    data = csv.csv(path=str(tmp_path / "data.csv"), target="c0", test=0, validation=0, standardize=False)
    np.testing.assert_array_equal(np.asarray(data.train.x), table.iloc[:, 1:].to_numpy("float32"))
    pieces = 2 + (tmp_path / "data.csv").stat().st_size / 600 / 1024
    assert len(writes) < 600 * pieces + 100
