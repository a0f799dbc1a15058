"""Wrong arrays for data=npz: pickles, bombs, damage, shapes and types, labels that are none."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from badinput_harness import Case, case

X = np.arange(240.0).reshape(60, 4)
Y = np.arange(60) % 3
IMAGES = (np.arange(60 * 64) % 251).reshape(60, 8, 8).astype("uint8")


class Stray:
    """Pickled, it would write a file wherever it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch stray",)


def saved(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def packed(path: Path, **entries: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    """Return the beginning of a .npy file with a header of one's own."""
    body = text.encode("latin-1")
    body += b" " * (64 - (10 + len(body)) % 64 - 1) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(body)) + body


def objects(path: Path) -> None:
    np.savez(path, x=X, y=np.array([Stray()] * 60, dtype=object))


def pickled(path: Path) -> None:
    """A pickle in the place of an array: numpy would unpickle it, if it were allowed to."""
    import pickle

    packed(path, x=npy(X), y=pickle.dumps(Stray()))


def whole_pickle(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps(Stray()))


def cut(share: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        saved(x=X, y=Y)(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def flipped(place: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        np.savez_compressed(path, x=X, y=Y)
        data = bytearray(path.read_bytes())
        data[int(len(data) * place)] ^= 0x55
        path.write_bytes(bytes(data))

    return make


def encrypted(path: Path) -> None:
    saved(x=X, y=Y)(path)
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag that says so, in both places
        at = data.find(sign)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(sign, at + 4)
    path.write_bytes(bytes(data))


def unknown_packing(path: Path) -> None:
    saved(x=X, y=Y)(path)
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.find(sign)
        while at >= 0:
            data[at + offset : at + offset + 2] = struct.pack("<H", 97)
            at = data.find(sign, at + 4)
    path.write_bytes(bytes(data))


def bomb(path: Path) -> None:
    """A header that promises eight terabytes, and nothing behind it."""
    packed(
        path, x=header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1), }"), y=npy(Y)
    )


def overflowing(path: Path) -> None:
    """A shape whose product is more than 64 bits hold."""
    packed(
        path,
        x=header("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
        y=npy(Y),
    )


def real_bomb(path: Path) -> None:
    """Thirty megabytes of zeros in thirty kilobytes, said to be sixty examples."""
    packed(
        path,
        x=header("{'descr': '<f8', 'fortran_order': False, 'shape': (60, 4), }") + bytes(30_000_000),
        y=npy(Y),
    )


def array(id: str, make: Any, *says: str, more: str = "", **options: Any) -> Case:
    line = f"data=npz data.path=t.npz tracking=none {more}".strip()
    return case(f"npz: {id}", line, *says, files={"t.npz": make}, **options)


def with_header(text: str, version: bytes = b"\x01\x00") -> Callable[[Path], None]:
    return lambda path: packed(path, x=header(text, version) + bytes(2000), y=npy(Y))


CASES: list[Case] = [
    case("npz: no path", "data=npz", "data.path", "got null", "data.path=my_data.npz"),
    case("npz: not there", "data=npz data.path=nowhere.npz", "there is no file nowhere.npz"),
    case("npz: misspelt", "data=npz data.path=mye.npz", "Did you mean my.npz?", files={"my.npz": saved(x=X, y=Y)}),
    case("npz: a folder", "data=npz data.path=t", "got the folder t", files={"t/a": "a"}),
    array("empty", b"", "is empty"),
    array("text", "a,b\n1,2\n", "is no .npz file", "numpy.savez"),
    array("a single .npy", npy(X), "is no .npz file"),
    array("a pickle", whole_pickle, "is no .npz file"),
    array("an empty zip", lambda p: zipfile.ZipFile(p, "w").close(), "has no array 'x'"),
    array("a zip of an .npy that is none", lambda p: packed(p, x=b"not numpy", y=npy(Y)), "is damaged"),
    array("objects", objects, "holds Python objects, which are never loaded"),
    array("objects as inputs", saved(x=np.array([[Stray()]] * 60, dtype=object), y=Y), "holds Python objects"),
    array("objects that nobody asked for, under another key", saved(x=X, z=np.array([Stray()], dtype=object)), "has no array 'y'"),
    array("objects as weights", saved(x=X, y=Y, w=np.array([Stray()] * 60, dtype=object)), "holds Python objects", more="data.weight=w"),
    array("a pickle as an array", pickled, "data.path", "is damaged"),
    array("records with objects inside", saved(x=X, y=np.array([(1, "a")] * 60, dtype=[("a", "i4"), ("b", object)])), "holds Python objects"),
    array("records", saved(x=X, y=np.zeros(60, dtype=[("a", "i4"), ("b", "f4")])), "expected numbers or text"),
    array("cut after a tenth", cut(0.1), "is no .npz file, or is damaged"),
    array("cut after a half", cut(0.5), "is no .npz file, or is damaged"),
    array("cut before the end", cut(0.98), "is no .npz file, or is damaged"),
    array("a byte flipped early", flipped(0.2), "data", "damaged"),
    array("a byte flipped in the middle", flipped(0.5), "data", "damaged"),
    array("encrypted", encrypted, "damaged"),
    array("packed in an unknown way", unknown_packing, "damaged"),
    array("a header that promises terabytes", bomb, "data.x"),
    array("a header that overflows", overflowing, "data.x"),
    array("more bytes than the header says", real_bomb, "is damaged"),
    array("a header that is no dict", with_header("[1, 2]"), "damaged"),
    array("a header with code", with_header("__import__('os').system('touch stray')"), "damaged"),
    array("a header of a negative shape", with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-60, 4), }"), "damaged"),
    array("a header of a huge shape", with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (60, " + "9" * 500 + "), }"), "damaged"),
    array("a header nested a thousand times", with_header("(" * 1000 + ")" * 1000), "damaged"),
    array("a header without a type", with_header("{'fortran_order': False, 'shape': (60, 4), }"), "damaged"),
    array("a header of a type that is none", with_header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (60, 4), }"), "damaged"),
    array("a newer format", with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (60, 4), }", b"\x09\x00"), "damaged"),
    array("no inputs", saved(y=Y), "has no array 'x'", "It has y"),
    array("no targets", saved(x=X), "has no array 'y'"),
    array("misspelt key", saved(inputs=X, y=Y), "Did you mean inputs?", more="data.x=imputs"),
    array("no such weight", saved(x=X, y=Y), "data.weight", "has no array 'w'", more="data.weight=w"),
    array("zero examples", saved(x=np.zeros((0, 4)), y=np.zeros(0)), "holds no examples"),
    array("zero columns", saved(x=np.zeros((60, 0)), y=Y), "holds no examples"),
    array("a single value", saved(x=3.0, y=Y), "is a single value"),
    array("one example", saved(x=X[:1], y=Y[:1]), "data"),
    array("different lengths", saved(x=X, y=Y[:50]), "'y' has 50 examples, 'x' has 60"),
    array("weights of another length", saved(x=X, y=Y, w=np.ones(59)), "'w' has 59 examples", more="data.weight=w"),
    array("weights of two axes", saved(x=X, y=Y, w=np.ones((60, 2))), "expected one number an example", more="data.weight=w"),
    array("weights that are text", saved(x=X, y=Y, w=np.array(["a"] * 60)), "expected one number an example", more="data.weight=w"),
    array("negative weights", saved(x=X, y=Y, w=-np.ones(60)), "at least 0", more="data.weight=w"),
    array("weights of nothing", saved(x=X, y=Y, w=np.zeros(60)), "not all 0", more="data.weight=w"),
    array("weights of NaN", saved(x=X, y=Y, w=np.full(60, np.nan)), "NaN or infinity", more="data.weight=w"),
    array("inputs that are text", saved(x=np.array([["a"]] * 60), y=Y), "expected numbers"),
    array("inputs that are complex", saved(x=X + 1j, y=Y), "expected numbers"),
    array("inputs that are dates", saved(x=np.zeros((60, 2), "M8[s]"), y=Y), "expected numbers"),
    array("targets that are dates", saved(x=X, y=np.zeros(60, "M8[s]")), "expected numbers or text"),
    array("NaN inputs", saved(x=np.where(X == 7, np.nan, X), y=Y), "1 of 60 examples hold NaN or infinity, the first is example 1"),
    array("infinite inputs", saved(x=np.where(X == 7, np.inf, X), y=Y), "NaN or infinity"),
    array("NaN labels", saved(x=X, y=np.where(Y == 2, np.nan, Y)), "data.y", "NaN or infinity"),
    array("one class", saved(x=X, y=np.zeros(60, int)), "one class only"),
    array("one class of text", saved(x=X, y=np.array(["a"] * 60)), "one class only"),
    array("a class of one example", saved(x=X, y=np.array([0] * 59 + [1])), "data"),
    array("labels of five axes", saved(x=X, y=np.zeros((60, 1, 1, 1, 2), int) + (np.arange(60) % 2)[:, None, None, None, None]), "class labels need the shape"),
    array("masks of another size", saved(x=IMAGES, y=np.tile(np.eye(7, dtype=int), (60, 1, 1))), "class labels need the shape"),
    array("text to predict as numbers", saved(x=X, y=np.array(["a", "b"] * 30)), "data.task=classification", more="data.task=regression"),
    array("a kind that is none", saved(x=X, y=Y), "Did you mean numeric?", more="data.kind=numerik"),
    array("images that are none", saved(x=X, y=Y), "images need three or four axes", more="data.kind=image"),
    array("tokens that are none", saved(x=X, y=Y), "whole numbers from 0 on", more="data.kind=tokens"),
    array("negative tokens", saved(x=-np.ones((60, 4), int), y=Y), "whole numbers from 0 on", more="data.kind=tokens"),
    array("a token out of all bounds", saved(x=np.full((60, 4), 2**62), y=Y), "data.x"),
    array("images of five axes", saved(x=np.zeros((60, 2, 2, 2, 2), "uint8"), y=Y), "images need three or four axes"),
    array("a loss for another task", saved(x=X, y=Y), "loss=huber needs", more="loss=huber"),
    array("class ids in the weights that are none", saved(x=X, y=Y), "expected class ids (0 to 2)", more="trainer.class_weight={7: 1.0}"),
    array("too many classes for the metric", saved(x=X, y=Y), "expected 3", more="metric=mean_iou metric.mean_iou.num_classes=2"),
    array("bytes that are no text", saved(x=X, y=np.array([b"\xff\xfe", b"ab"] * 30)), "data"),
    array("large: NaN", saved(x=np.where(np.arange(3_000_000) == 5, np.nan, 1.0).reshape(-1, 30), y=np.arange(100_000) % 2), "NaN or infinity"),
    array("large: one class", saved(x=np.ones((100_000, 30), "float32"), y=np.zeros(100_000, int)), "one class only"),
    array("large: weights of nothing", saved(x=np.ones((100_000, 30), "float32"), y=np.arange(100_000) % 2, w=np.zeros(100_000)), "not all 0", more="data.weight=w"),
]  # fmt: skip
