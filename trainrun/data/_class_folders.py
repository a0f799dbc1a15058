"""A folder for each class, `photos/cats/1.jpg`, as a table of two columns: the file and its class."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainrun.data import _measured
from trainrun.data._arrow_arrays import strings
from trainrun.data._faults import Fault
from trainrun.data._in_memory import MemorySource
from trainrun.data._table_files import NAMED, PATHS, Paths, own_files
from trainrun.data._table_split import PART_NAMES
from trainrun.errors import listed
from trainrun.util import paths

# The columns of the table.
FILE, CLASS = "file", "class"
# Files that operating systems put into folders, in lower case.
OF_SYSTEMS = ("thumbs.db", "desktop.ini")


def open_source(folders: Paths, endings: Sequence[str], what: str) -> tuple[MemorySource | None, list[Fault]]:
    """Return the table of the files in the folders of classes, sorted by name, or its faults.

    Args:
        folders: of the parts.
        endings: of the files that count, in lower case.
        what: the files, for messages (``images``).
    """
    files: list[str] = []
    classes: list[str] = []
    others: list[str] = []
    sizes, known, faults = [0] * len(folders), set(), []
    for part, (argument, folder) in enumerate(folders.items()):
        if folder is None:
            continue
        fewest = 1 if part or _measured.is_by_model() else 2
        by_class, fault = _scanned(paths.expanded(folder), endings, what, fewest, others)
        known = known or set(by_class)
        if not fault and (new := sorted(set(by_class) - known)):
            fault = (
                f"the classes {listed(new)} have no folder in {folders['path']}, so they cannot be learnt."
            )
        if fault:
            faults.append((argument, fault))
        for name, of_class in by_class.items():
            files += of_class
            classes += [name] * len(of_class)
            sizes[part] += len(of_class)
    if faults:
        return None, faults[:NAMED]
    note = not_read(others, endings, what)
    return source({FILE: files, CLASS: classes}, folders, sizes, note), []


def source(
    columns: Mapping[str, Sequence[str]], folders: Paths, sizes: Sequence[int], note: str = ""
) -> MemorySource:
    """Return the table of files, named after the first folder.

    Args:
        columns: their texts by name, the files of one part after those of another.
        folders: as in `open_source`.
        sizes: the number of files of each part.
        note: on what of the folders is not read; empty: there is nothing.
    """
    import pyarrow as pa

    table = pa.table({name: strings(texts) for name, texts in columns.items()})
    own = own_files([part for part, folder in enumerate(folders.values()) if folder is not None])
    return MemorySource(paths.expanded(folders["path"]).resolve().name, table, True, own, sizes, note)


def _scanned(
    root: Path, endings: Sequence[str], what: str, fewest: int, others: list[str]
) -> tuple[dict[str, list[str]], str | None]:
    """Return the files of each class, of which there are so many at least, and what is wrong with the folder; add other files to `others`."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError as error:
        return {}, f"the folder {root} cannot be read: {error.strerror}."
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    names = [entry.name for entry in folders]
    if names and {name.lower() for name in names} <= set(PART_NAMES):
        of_part = {PART_NAMES[name.lower()]: root / name for name in names}
        typed = " ".join(f"data.{PATHS[part]}={folder}" for part, folder in sorted(of_part.items()))
        return {}, f"the folder {root} has folders of parts, {', '.join(names)}. Name each: {typed}."
    if len(folders) < fewest:
        has = f"one folder, {names[0]}" if folders else "no folders"
        return {}, f"expected a folder for each class, with {what} in it; {root} has {has}."
    by_class = {entry.name: files_below(entry.path, tuple(endings), others) for entry in folders}
    if empty := [name for name, files in by_class.items() if not files]:
        message = f"no {what} in the folder {listed(empty)} of {root}; they end in {', '.join(endings)}. Remove it, or fill it."
        return by_class, message
    return by_class, None


def not_read(others: Sequence[str], endings: Sequence[str], what: str) -> str:
    """Return the notice on files of other endings in a folder, or nothing if there are none.

    Args:
        others: these files.
        endings, what: as in `open_source`.
    """
    if not others:
        return ""
    counts = Counter(Path(file).suffix.lower() or "none" for file in others)
    named = ", ".join(f"{ending} ({count:,})" for ending, count in counts.most_common(NAMED))
    return (
        f"files that are not read, by their endings: {named}; the first is {min(others)}. The {what} that are read end in "
        f"{', '.join(endings)}: convert the others, or remove what is none of them."
    )


def files_below(folder: str | Path, endings: tuple[str, ...], others: list[str] | None = None) -> list[str]:
    """Return the files below a folder, sorted by path; hidden ones are left out, and what links to folders have.

    Args:
        folder: of the files.
        endings: that they have, in lower case.
        others: to which files of other endings are added; None: to none.
    """
    files, folders = [], [os.fspath(folder)]
    while folders:
        # Half the time of os.walk.
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders += [] if entry.is_symlink() else [entry.path]
                elif (name := entry.name.lower()).startswith("."):
                    continue
                elif name.endswith(endings):
                    files.append(entry.path)
                elif others is not None and name not in OF_SYSTEMS:
                    others.append(entry.path)
    return sorted(files)
