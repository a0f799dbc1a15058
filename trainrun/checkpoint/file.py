"""A checkpoint's file: arrays and what they mean, in one .npz with a checksum; whole, or refused.

A new file is written beside the old one, forced to the disk, and only then given its name; the folder is forced to
the disk, too. So at any moment, also that of a power failure, the name stands for a whole file. The files before it
stay as `last.1.npz`, `last.2.npz` …; where the newest is damaged nevertheless, `newest` names it and takes the one
before.
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

from trainrun.util import paths

FOLDER = "checkpoints"
LAST, BEST = "last.npz", "best.npz"
FORMAT = 1
ABOUT, DIGEST = "about", "sha256"
# Bytes up to which a file is put together in memory: zipfile goes back in it and forth for each array, four times as slow
# as in memory, and each time Python lets another thread run.
SMALL = 8 * 2**20


@dataclass(frozen=True)
class Stored:
    """What a checkpoint holds.

    Args:
        path: where it was read from.
        arrays: name -> array.
        about: everything that is no array: position, callbacks, history …
    """

    path: Path
    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Epochs that were done."""
        return int(self.about["epoch"])

    @property
    def step(self) -> int:
        """Steps of the next epoch that were done."""
        return int(self.about["step"])


class Damaged(Exception):
    """A file that is no whole checkpoint; the message names it and says what is wrong."""


def write(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], keep: int = 1) -> None:
    """Write a checkpoint; the `keep` - 1 before it stay, under other names.

    Raises:
        OSError: it could not be written; what was there is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {**about, "format": FORMAT, "types": {k: str(a.dtype) for k, a in arrays.items()}}
    content = {name: _plain(array) for name, array in arrays.items()}
    content[ABOUT] = np.frombuffer(json.dumps(about).encode(), dtype="uint8")
    content[DIGEST] = np.frombuffer(digest(content).encode(), dtype="uint8")
    small = sum(a.nbytes for a in content.values()) <= SMALL
    with paths.whole(path) as new:
        with open(new, "wb") as file:
            if small:
                made = io.BytesIO()
                np.savez(made, **content)
                file.write(made.getbuffer())
            else:
                np.savez(file, **content)
            file.flush()
            os.fsync(file.fileno())
        _make_room(path, keep)
    _sync_folder(path.parent)


def read(path: Path) -> Stored:
    """Return what a checkpoint holds.

    Raises:
        Damaged: it is not there, cut short, altered, of a newer version, or no checkpoint at all.
    """
    try:
        # Never a pickle. All is read before anything of it is believed.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = file.zip.namelist()
            if len(set(names)) != len(names):
                raise ValueError("an entry is there twice")
            content = {name: file[name] for name in file.files}
        recorded = content.pop(DIGEST).tobytes().decode()
        if recorded != digest(content):
            raise ValueError("its checksum does not fit its content")
        about = json.loads(content.pop(ABOUT).tobytes())
        if about["format"] > FORMAT:
            raise ValueError(
                f"it is of format {about['format']}, and this trainrun reads {FORMAT}; update trainrun"
            )
        int(about["epoch"]), int(about["step"])
        arrays = {name: _typed(array, about["types"][name]) for name, array in content.items()}
    except FileNotFoundError:
        raise Damaged(f"{path} is not there") from None
    # Whatever a flipped bit makes zipfile, zlib, struct or numpy raise: it is the file that is wrong.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Damaged(f"{path} is damaged: {reason}") from error
    return Stored(path, arrays, about)


def newest(run_dir: Path) -> tuple[Stored | None, list[str]]:
    """Return the newest whole checkpoint of a run, and a sentence for each newer one that is damaged."""
    damage = []
    for path in files(run_dir):
        try:
            return read(path), damage
        except Damaged as error:
            damage.append(str(error))
    return None, damage


def files(run_dir: Path) -> list[Path]:
    """Return a run's checkpoints, the newest first, the best one aside."""
    last = run_dir / FOLDER / LAST
    return [p for p in (last, *(p for _, p in _older(last))) if p.is_file()]


def tidy(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote; no other process may write there now."""
    for path in folder.glob(f".*{Path(LAST).suffix}.*"):
        with contextlib.suppress(OSError):
            path.unlink()


def digest(content: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over names, types, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        total.update(f"{name}\0{array.dtype.str}\0{content[name].shape}\0".encode())
        total.update(array.data if array.size else b"")
    return total.hexdigest()


def _make_room(path: Path, keep: int) -> None:
    """Let each file of the row take the next one's name; the newest keeps its own as well until it is replaced."""
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
        except OSError:  # a file system without hard links: for a moment, only the older name is there
            os.replace(path, first)


def _older(path: Path) -> list[tuple[int, Path]]:
    """Return the files before the newest with their numbers, ascending."""
    numbered = (
        (p.name[len(path.stem) + 1 : -len(path.suffix)], p)
        for p in path.parent.glob(f"{path.stem}.*{path.suffix}")
    )
    return sorted((int(number), p) for number, p in numbered if number.isdigit())


def _sync_folder(folder: Path) -> None:
    """Have the folder's names on the disk."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _plain(array: np.ndarray) -> np.ndarray:
    """Return an array that numpy can write: bfloat16 and float8 are unknown to it, their bytes are not."""
    return array if array.dtype.isbuiltin == 1 else array.view(f"uint{8 * array.dtype.itemsize}")


def _typed(array: np.ndarray, name: str) -> np.ndarray:
    if str(array.dtype) == name:
        return array
    import ml_dtypes

    return array.view(getattr(ml_dtypes, name))
