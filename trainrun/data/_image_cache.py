"""The cache of decoded images: files of one array, found by the images' content; and what is looked at before they are decoded."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.data import _jpeg
from trainrun.data._decoded_rows import NAMED, DecodedRows, in_parallel, state
from trainrun.data._image_decoding import UNREADABLE, ImageForm
from trainrun.data._image_pixels import pixels_of
from trainrun.errors import Problem, UserError, first_line
from trainrun.util import paths

# Below the folder that runs are recorded in.
FOLDER = Path("outputs", ".cache", "images")
# Part of the key: the next number, if what is stored for an image changes.
VERSION = 2
# Hexadecimal digits by which equal files are recognized.
CONTENT_DIGITS = 16
# What files of images, beside JPEGs, begin with, and have among their last bytes; others are decoded before training, to name those that are damaged.
ENDS = (
    (b"\x89PNG", b"IEND"),
    (b"GIF8", b";"),
    *((begin, b"") for begin in (b"RIFF", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")),
)
ENDING = 64
# Bytes of files that are kept from the reading for their digest to their decoding.
MOST_KEPT = 64 * 2**20
# Files that are read to see how fast they come, and seconds for one of fast ones.
TRIED, FAST_S = 64, 1e-4
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


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

    known, jpegs, suspects = None, {}, []
    if any(folder.glob("*.key")):
        states = [state(file) for file in files]
        known = _noted(_note(folder, form, files, states), len(files))
    if known is None:
        reader = _Reader(files)
        read = reader.all()
        digests, states, jpegs = [one.digest for one in read], [one.state for one in read], reader.jpegs
        contents = [digest[:CONTENT_DIGITS] or "-" for digest in digests]
        suspects = [i for i, one in enumerate(read) if not one.whole]
        key, size = _digest([form, *digests]), form.size or _common_size(files)
    else:
        key, size, contents = known
    rows = DecodedRows(folder / f"{key}.npy", files, form, size, contents, states, jpegs)
    rows.prepare(np.array(suspects, "int64"), shown=True)
    if known is None:
        with paths.whole(_note(folder, form, files, states)) as new:
            new.write_text("\n".join([key, "x".join(map(str, size)), *contents]), encoding="ascii")
    return rows, contents


def size_faults(files: Sequence[str]) -> list[str]:
    """Return the message on images of different sizes, read from their headers, or nothing; a damaged one is left out.

    Args:
        files: the images to look at.
    """
    sizes = {size: file for file in files if (size := size_or_none(file)) is not None}
    if len(sizes) < 2:
        return []
    (first, file), (second, other) = list(sizes.items())[:2]
    return [
        f"the images have different sizes: {file} {first[0]}x{first[1]} and {other} {second[0]}x{second[1]} (height x width). "
        "Name one for all: data.size=[128,128]."
    ]


def unreadable(files: Sequence[str], channels: int) -> list[str]:
    """Return messages on the first files that lack the beginning or the end of an image and cannot be read; no others are decoded.

    Args:
        files: that exist.
        channels: of the images.
    """
    messages = []
    for file in files:
        with open(file, "rb") as stream:
            content = stream.read(ENDING)
            stream.seek(max(0, os.path.getsize(file) - ENDING))
            if _is_whole(content, stream.read()):
                continue
        try:
            pixels_of(file, channels)
        except Exception as error:
            messages.append(f"{file} {UNREADABLE}: {first_line(error)}")
    return messages[:NAMED]


def _common_size(files: Sequence[str]) -> tuple[int, int]:
    """Return the size of all images.

    Raises:
        UserError: there are several, or none can be read.
    """
    if different := size_faults(files):
        raise UserError(Problem("data.size", different[0]))
    size = next((size for file in files if (size := size_or_none(file)) is not None), None)
    # Without one all files are damaged, and decoding them names them.
    return size or (1, 1)


def size_or_none(file: str) -> tuple[int, int] | None:
    """Return height and width of an image, turned as its camera says, read from its header; None: it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # orientations on their side
            return image.size if turned else image.size[::-1]
    except Exception:
        return None


class _Read(NamedTuple):
    """What is known of a file that was read.

    Args:
        digest: of its bytes; empty: it cannot be read.
        state: see `_decoded_rows.state`.
        whole: whether it has the beginning and the end of an image.
    """

    digest: str
    state: tuple[int, int]
    whole: bool


class _Reader:
    """Reads files, and keeps what it has read of JPEGs: those are decoded soon.

    Args:
        files: of images.

    Attributes:
        jpegs: contents by index, of `MOST_KEPT` bytes together.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files, self._left = files, MOST_KEPT
        self.jpegs: dict[int, bytes] = {}

    def all(self) -> list[_Read]:
        """Read all files: by one thread if they come fast, because several then wait for Python's global lock."""
        begun = time.perf_counter()
        first = self._some(range(min(len(self._files), TRIED)))
        fast = time.perf_counter() - begun < FAST_S * len(first)
        others = range(len(first), len(self._files))
        return first + in_parallel(self._some, others, "reading images", threads=1 if fast else None)

    def _some(self, some: Sequence[int]) -> list[_Read]:
        # In one loop of few calls: of small files these take as long as the reading.
        read = []
        for i in some:
            try:
                descriptor = os.open(self._files[i], OPEN_FLAGS)
                try:
                    status = os.fstat(descriptor)
                    content = os.read(descriptor, status.st_size)
                    if len(content) < status.st_size:  # more than one call reads
                        content += b"".join(iter(lambda at=descriptor: os.read(at, 2**24), b""))
                finally:
                    os.close(descriptor)
            except OSError:
                read.append(_Read("", (0, 0), False))
                continue
            whole = _is_whole(content, content[-ENDING:])
            if self._left > 0 and content.startswith(_jpeg.BEGIN):
                self.jpegs[i] = content
                self._left -= len(content)
            state = status.st_size, status.st_mtime_ns
            read.append(_Read(hashlib.sha256(content).hexdigest(), state, whole))
        return read


def _is_whole(content: bytes, ending: bytes) -> bool:
    """Return whether a file has the beginning and the end of an image."""
    if content.startswith(_jpeg.BEGIN):
        return _jpeg.END in ending
    return any(content.startswith(begin) and end in ending for begin, end in ENDS)


def _note(folder: Path, form: ImageForm, files: Sequence[str], states: Sequence[tuple[int, int]]) -> Path:
    """Return the path of the note on files in these states."""
    return folder / f"{_digest([form, *zip(files, states, strict=True)])}.key"


def _noted(note: Path, count: int) -> tuple[str, tuple[int, ...], list[str]] | None:
    """Return what a note says of so many files: the key of the decoded ones, their size, and the digest of each; None: there is none."""
    try:
        key, sides, *contents = note.read_text(encoding="ascii").split()
        size = tuple(map(int, sides.split("x")))
    except (OSError, ValueError):
        return None
    return (key, size, contents) if len(contents) == count else None


def _digest(parts: Sequence[Any]) -> str:
    sha = hashlib.sha256(f"{VERSION} {asdict(parts[0])}".encode())
    for part in parts[1:]:
        sha.update(repr(part).encode())
    return sha.hexdigest()[:32]
