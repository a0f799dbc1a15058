"""Files beside the runs, below `outputs/.data` and `outputs/.cache`, that no kept run uses."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainrun.data import _image_cache, _kept_data
from trainrun.tracking import find, lease, status
from trainrun.util import paths
from trainrun.util.file_lock import FileLock

# A younger file may belong to a run that has no record yet.
YOUNG_S = 3600.0
FIRST_LINE = 1 << 20
RECORDS = ("config.yaml", find.SWEEP, ".hydra/config.yaml", ".hydra/overrides.yaml")
IMAGES = "image_folder"


def size(folder: Path) -> int:
    """Return the bytes of the files in a directory; links are not followed."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def unused(outputs: Path, keepers: Iterable[Path], leavers: Sequence[Path] | None) -> list[tuple[Path, str]]:
    """Return the kept data and the cached images that none of some runs uses, with their kind.

    Args:
        outputs: the folder of the runs.
        keepers: directories of the runs and sweeps that stay.
        leavers: only what these use; None: all.
    """
    if any(lease.alive(folder) is not False for folder in find.unrecorded(outputs)):
        return []  # it has not recorded what it reads
    staying = "\n".join(map(_record, keepers))
    leaving = None if leavers is None else "\n".join(map(_record, leavers))
    found = [
        (folder, "data")
        for folder in sorted(_folders(outputs / _kept_data.FOLDER.name))
        if folder.name not in staying and (leaving is None or folder.name in leaving)
    ]
    cache = outputs.joinpath(*_image_cache.FOLDER.parts[1:])
    if IMAGES not in staying and (leaving is None or IMAGES in leaving):
        found += [(f, "cache") for f in _folders(cache.parent) if f.name == cache.name]
    return found


def _folders(parent: Path) -> list[Path]:
    """Return the directories in a directory, no links, that nothing has changed lately or holds a lock in."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    return [
        f for f in parent.iterdir() if stat.S_ISDIR(f.lstat().st_mode) and not _young(f) and not _locked(f)
    ]


def _young(folder: Path) -> bool:
    return time.time() - folder.lstat().st_mtime < YOUNG_S


def _locked(folder: Path) -> bool:
    return any(FileLock(path).held for path in folder.glob("*.lock"))


def _record(folder: Path) -> str:
    """Return the texts that name the files that a run or sweep reads."""
    texts = []
    for name in RECORDS:
        with contextlib.suppress(OSError):
            texts.append(paths.content(folder / name).decode("utf-8", "replace"))
    with (
        contextlib.suppress(OSError),
        open(folder / status.JOURNAL, "rb", opener=paths.regular) as file,
    ):
        texts.append(file.readline(FIRST_LINE).decode("utf-8", "replace"))
    return "\n".join(texts)
