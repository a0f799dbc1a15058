"""The cache of decoded images: files of one array, found by the images' content; and what is looked at before they are decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainrun.data._decoded_rows import DecodedRows, in_parallel, state
from trainrun.data._image_decoding import ImageForm
from trainrun.errors import Problem, UserError
from trainrun.util import paths

# Below the folder that runs are recorded in.
FOLDER = Path("outputs", ".cache", "images")
# Part of the key: the next number, if what is stored for an image changes.
VERSION = 1
# Hexadecimal digits by which equal files are recognized.
CONTENT_DIGITS = 16
# What files of images begin with, and have among their last bytes; others are decoded before training, to name those that are damaged.
ENDS = (
    (b"\xff\xd8", b"\xff\xd9"),
    (b"\x89PNG", b"IEND"),
    (b"GIF8", b";"),
    *((begin, b"") for begin in (b"RIFF", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")),
)
ENDING = 64


def decoded(files: Sequence[str], form: ImageForm, folder: Path) -> tuple[DecodedRows, list[str]]:
    """Return the images as rows, which are decoded when they are asked for, and digests of the files.

    Args:
        files: the images.
        form: what they become.
        folder: of the cache.

    Raises:
        UserError: files cannot be read, are cut short or no images; the images have different sizes; or there is no room.
    """
    with paths.made(folder, "*.lock"):
        return _decoded(files, form, folder)


def _decoded(files: Sequence[str], form: ImageForm, folder: Path) -> tuple[DecodedRows, list[str]]:
    """Return what `decoded` does; the folder exists."""
    import numpy as np

    states = [state(file) for file in files]
    note = folder / f"{_digest([form, *zip(files, states, strict=True)])}.key"
    suspects: list[int] = []
    try:
        key, sides, *contents = note.read_text(encoding="ascii").split()
        size = tuple(map(int, sides.split("x")))
    except (OSError, ValueError):
        contents = []
    if not (known := len(contents) == len(files)):
        read = in_parallel(lambda some: list(map(_content, some)), files, "reading images")
        contents = [content for content, _ in read]
        key, contents = _digest([form, *contents]), [content[:CONTENT_DIGITS] or "-" for content in contents]
        suspects = [i for i, (_, whole) in enumerate(read) if not whole]
        size = form.size or _common_size(files)
    rows = DecodedRows(folder / f"{key}.npy", files, form, size, contents, states)
    rows.prepare(np.array(suspects, "int64"), shown=True)
    if not known:
        with paths.whole(note) as new:
            new.write_text("\n".join([key, "x".join(map(str, size)), *contents]), encoding="ascii")
    return rows, contents


def size_faults(files: Sequence[str]) -> list[str]:
    """Return the message on images of different sizes, read from their headers, or nothing; a damaged one is left out.

    Args:
        files: the images to look at.
    """
    sizes = {size: file for file in files if (size := _size_or_none(file)) is not None}
    if len(sizes) < 2:
        return []
    (first, file), (second, other) = list(sizes.items())[:2]
    return [
        f"the images have different sizes: {file} {first[0]}x{first[1]} and {other} {second[0]}x{second[1]} (height x width). "
        "Name one for all: data.size=[128,128]."
    ]


def _common_size(files: Sequence[str]) -> tuple[int, int]:
    """Return the size of all images.

    Raises:
        UserError: there are several, or none can be read.
    """
    if different := size_faults(files):
        raise UserError(Problem("data.size", different[0]))
    size = next((size for file in files if (size := _size_or_none(file)) is not None), None)
    # Without one all files are damaged, and decoding them names them.
    return size or (1, 1)


def _size_or_none(file: str) -> tuple[int, int] | None:
    from PIL import Image

    try:
        with Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # orientations on their side
            return image.size if turned else image.size[::-1]
    except Exception:
        return None


def _content(file: str) -> tuple[str, bool]:
    """Return the digest of a file's bytes, none if it cannot be read; and whether it has the beginning and the end of an image."""
    try:
        with open(file, "rb", buffering=0) as stream:
            content = stream.read()
    except OSError:
        return "", False
    whole = any(content.startswith(begin) and end in content[-ENDING:] for begin, end in ENDS)
    return hashlib.sha256(content).hexdigest(), whole


def _digest(parts: Sequence[Any]) -> str:
    sha = hashlib.sha256(f"{VERSION} {asdict(parts[0])}".encode())
    for part in parts[1:]:
        sha.update(repr(part).encode())
    return sha.hexdigest()[:32]
