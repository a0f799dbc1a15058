"""The file format of checkpoints: arrays and metadata in one .npz with a checksum; damaged files are refused.

A new file is written beside the old one, synced to the disk and then renamed; the folder is synced, too. So at any moment, also
at a power failure, the name refers to a whole file. Older files stay as `last.1.npz`, `last.2.npz` …; if the newest one is
damaged nevertheless, `newest` reports it and returns the one before.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainrun.errors import first_line
from trainrun.util import decimal_digits, paths

FOLDER = "checkpoints"
LAST, BEST = "last.npz", "best.npz"
FORMAT = 1
ABOUT, DIGEST = "about", "sha256"
# Files of up to so many bytes are built in memory first: zipfile seeks for each array, which is four times as slow on disk and
# releases the interpreter lock each time.
IN_MEMORY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Stored:
    """The content of a checkpoint.

    Args:
        path: of the file.
        arrays: name -> array.
        about: metadata, as JSON: position, callbacks, history …
    """

    path: Path
    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return int(self.about["epoch"])

    @property
    def step(self) -> int:
        """Number of steps done of the next epoch."""
        return int(self.about["step"])


class Damaged(Exception):
    """A file is not a whole checkpoint; the message names the file and the reason."""


def write(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], keep: int = 1) -> None:
    """Write a checkpoint; the last `keep` - 1 files stay under other names.

    Raises:
        OSError: the file could not be written; older files are unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {**about, "format": FORMAT, "types": {k: str(a.dtype) for k, a in arrays.items()}}
    content = {name: _plain(array) for name, array in arrays.items()}
    content[ABOUT] = np.frombuffer(json.dumps(about).encode(), dtype="uint8")
    content[DIGEST] = np.frombuffer(digest(content).encode(), dtype="uint8")
    in_memory = sum(a.nbytes for a in content.values()) <= IN_MEMORY_BYTES
    with paths.whole(path) as new:
        with open(new, "wb") as file:
            if in_memory:
                buffer = io.BytesIO()
                np.savez(buffer, **content)
                file.write(buffer.getbuffer())
            else:
                np.savez(file, **content)
            file.flush()
            os.fsync(file.fileno())
        _rotate(path, keep)
    _sync_folder(path.parent)


def read(path: Path) -> Stored:
    """Return the content of a checkpoint.

    Raises:
        Damaged: the file is missing, cut short, altered, of a newer format, or not a checkpoint.
    """
    try:
        # Never a pickle. The whole content is read and checked before any of it is used.
        with open(path, "rb", opener=paths.regular) as opened, np.load(opened, allow_pickle=False) as file:
            names = file.zip.namelist()
            if len(set(names)) != len(names):
                raise ValueError("an entry occurs twice")
            content = {name: file[name] for name in file.files}
        recorded = content.pop(DIGEST).tobytes().decode()
        if recorded != digest(content):
            raise ValueError("its checksum does not match its content")
        about = json.loads(content.pop(ABOUT).tobytes())
        if about["format"] > FORMAT:
            raise ValueError(
                f"it is of format {about['format']}, and this trainrun reads {FORMAT}; update trainrun"
            )
        int(about["epoch"]), int(about["step"])
        arrays = {name: _typed(array, about["types"][name]) for name, array in content.items()}
    except FileNotFoundError:
        raise Damaged(f"{path} does not exist") from None
    # A damaged file makes zipfile, zlib, struct or numpy raise all kinds of exceptions.
    except Exception as error:
        raise Damaged(f"{path} is damaged: {first_line(error)}") from error
    return Stored(path, arrays, about)


def newest(run_dir: Path) -> tuple[Stored | None, list[str]]:
    """Return the newest whole checkpoint of a run, or None, and a sentence for each newer one that is damaged."""
    damage = []
    for path in files(run_dir):
        try:
            return read(path), damage
        except Damaged as error:
            damage.append(str(error))
    return None, damage


def files(run_dir: Path) -> list[Path]:
    """Return a run's checkpoints, the newest first, without the best one."""
    last = run_dir / FOLDER / LAST
    return [p for p in (last, *(p for _, p in _older(last))) if p.is_file()]


def tidy(folder: Path) -> None:
    """Remove temporary files of a process that was killed while writing; no other process may be writing now."""
    for path in folder.glob(f".*{Path(LAST).suffix}.*"):
        with contextlib.suppress(OSError):
            path.unlink()


def digest(content: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of names, dtypes, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        total.update(f"{name}\0{array.dtype.str}\0{content[name].shape}\0".encode())
        total.update(array.data if array.size else b"")
    return total.hexdigest()


def _rotate(path: Path, keep: int) -> None:
    """Rename each older file to the next number; the newest one keeps its name, too, until it is replaced."""
    if not path.exists():
        return
    for number, older in reversed(_older(path)):
        if number >= keep - 1:
            older.unlink(missing_ok=True)
        else:
            os.replace(older, path.with_name(f"{path.stem}.{number + 1}{path.suffix}"))
    if keep > 1:
        first = path.with_name(f"{path.stem}.1{path.suffix}")
        try:
            os.link(path, first)
        except OSError:  # no hard links here: for a moment, only the numbered name exists
            os.replace(path, first)


def _older(path: Path) -> list[tuple[int, Path]]:
    """Return the older files with their numbers, ascending."""
    numbered = (
        (p.name[len(path.stem) + 1 : -len(path.suffix)], p)
        for p in path.parent.glob(f"{path.stem}.*{path.suffix}")
    )
    return sorted((number, p) for text, p in numbered if (number := decimal_digits.number(text)) is not None)


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _plain(array: np.ndarray) -> np.ndarray:
    """Return an array of a dtype that numpy can write: bfloat16 and float8 as unsigned integers."""
    return array if array.dtype.isbuiltin == 1 else array.view(f"uint{8 * array.dtype.itemsize}")


def _typed(array: np.ndarray, name: str) -> np.ndarray:
    if str(array.dtype) == name:
        return array
    import ml_dtypes

    return array.view(getattr(ml_dtypes, name))
