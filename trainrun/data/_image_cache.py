"""Images decoded in parallel, once, into a file of one array that runs map into memory; it is found by the images' content."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainrun.data._image_decoding import Decoder, ImageForm
from trainrun.data._image_pixels import OF_LABELS
from trainrun.data._mapped import Mapped
from trainrun.errors import Problem, UserError
from trainrun.ui.counter import counted
from trainrun.util import machine, paths
from trainrun.util.file_lock import FileLock

# Below the folder that runs are recorded in.
FOLDER = Path("outputs", ".cache", "images")
# Part of the key: the next number, if what is stored for an image changes.
VERSION = 1
# Hexadecimal digits by which equal files are recognized.
CONTENT_DIGITS = 16
# Seconds that another process may take to decode the same images.
PATIENCE_S = 24 * 3600.0
# Faulty files that are named.
NAMED = 10
# Files that a thread takes at once.
AT_ONCE = 64


def decoded(files: Sequence[str], form: ImageForm, folder: Path) -> tuple[Mapped, tuple[int, int], list[str]]:
    """Return the images as rows of a mapped file, uint8 `[n, height, width, channels]`, their size, and digests of the files.

    Args:
        files: the images.
        form: what they become.
        folder: of the cache.

    Raises:
        UserError: files are no images, are damaged or of different sizes; or there is no room.
    """
    with paths.made(folder, "*.lock"):
        return _decoded(files, form, folder)


def _decoded(
    files: Sequence[str], form: ImageForm, folder: Path
) -> tuple[Mapped, tuple[int, int], list[str]]:
    """Return what `decoded` does; the folder exists."""
    import numpy as np

    states = [_state(file) for file in files]
    note = folder / f"{_digest([form, *zip(files, states, strict=True)])}.key"
    try:
        key, *contents = note.read_text(encoding="ascii").split()
    except OSError:
        key, contents = "", []
    if len(contents) != len(files):
        contents = _parallel(lambda some: list(map(_content, some)), files, "reading images")
        key, contents = _digest([form, *contents]), [content[:CONTENT_DIGITS] or "-" for content in contents]
    path = folder / f"{key}.npy"
    lock = FileLock(folder / f"{key}.lock")
    lock.acquire(PATIENCE_S)
    try:
        if not path.is_file():
            size = form.size or _common_size(files)
            _decode(files, form, size, path)
        with paths.whole(note) as new:
            new.write_text("\n".join([key, *contents]), encoding="ascii")
    finally:
        lock.release()
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        header = stream.tell()
    return Mapped(path, 0, header, shape, dtype, 0), shape[1:3], contents


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


def _decode(files: Sequence[str], form: ImageForm, size: tuple[int, int], path: Path) -> None:
    """Write the images to a file.

    Raises:
        UserError: with the faulty files, or because there is no room.
    """
    import numpy as np

    shape = (len(files), *size, form.channels or 1)
    needed = int(np.prod(shape, dtype="int64"))
    if (free := shutil.disk_usage(path.parent).free) < needed:
        message = f"the decoded images take {needed:,} bytes, and {path.parent} has {free:,}. Take a smaller data.size, or data.cache on another disk."
        raise UserError(Problem("data.cache", message))
    with paths.whole(path) as new:
        pixels = np.lib.format.open_memmap(new, mode="w+", dtype="uint8", shape=shape)
        decode = Decoder(files, form, pixels)
        wrong = [fault for fault in _parallel(decode, range(len(files)), "decoding images") if fault]
        if wrong:
            more = [f"and {len(wrong) - NAMED} more files."] if len(wrong) > NAMED else []
            key = "data.mask" if form.channels == OF_LABELS else "data.path"
            problems = [Problem(key, text) for text in [*wrong[:NAMED], *more]]
            raise UserError(problems)
        pixels.flush()


def _parallel(work: Callable[[Sequence[Any]], list[Any]], items: Sequence[Any], doing: str) -> list[Any]:
    """Return a result for each item, by a thread for each processor.

    Args:
        work: returns the results of some items.
        items: all of them.
        doing: what is done, for the progress shown.
    """
    some = [items[first : first + AT_ONCE] for first in range(0, len(items), AT_ONCE)]
    with ThreadPoolExecutor(machine.cores()) as pool:
        results: Iterator[Any] = itertools.chain.from_iterable(pool.map(work, some))
        return [next(results) for _ in counted(items, doing)]


def _content(file: str) -> str:
    """Return the digest of a file's bytes; one that cannot be read has none, and is named when it is decoded."""
    try:
        with open(file, "rb", buffering=0) as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except OSError:
        return ""


def _state(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _digest(parts: Sequence[Any]) -> str:
    sha = hashlib.sha256(f"{VERSION} {asdict(parts[0])}".encode())
    for part in parts[1:]:
        sha.update(repr(part).encode())
    return sha.hexdigest()[:32]
