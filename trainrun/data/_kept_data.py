"""Data that Python code hands to a run, kept in a file by its content: the run can be resumed and reproduced from it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.data import _in_memory
from trainrun.data._handed_over import InMemory
from trainrun.data._table_files import PATHS, SETS
from trainrun.errors import Problem, UserError

# Where the files are, below the folder that runs are recorded in.
FOLDER = Path("outputs", ".data")
# Characters of a digest that name a folder.
DIGITS = 16


@contextlib.contextmanager
def kept(value: Any, overrides: Sequence[str], below: Path = FOLDER) -> Iterator[list[str]]:
    """Write data to a file, unless a file has it, and yield the overrides of a run that reads it there.

    After an exception a file that was written here is removed.

    Args:
        value: see `_in_memory.understood`.
        overrides: of the run, as typed; those of the data's settings go before what the form of the value determines.
        below: folder of the file.

    Raises:
        UserError: the value is no data, or the overrides choose other data.
    """
    if chosen := [text for text in overrides if text.lstrip("+").startswith("data=")]:
        message = (
            f"{chosen[0]} and the argument data= of trainrun.run are two datasets. Leave one of them out."
        )
        raise UserError(Problem("data", message))
    data = _in_memory.understood(value)
    kind = "feather" if data.table is not None else "npz"
    below.mkdir(parents=True, exist_ok=True)
    new: list[Path] = []
    try:
        files = [part and _file(part, kind, below, new) for part in data.apart()]
        settings = {**_paths(files, data.sets), **(data.roles or {})}
        set_by_user = {text.lstrip("+").partition("=")[0] for text in overrides}
        added = [
            f"data.{key}={_typed(item)}" for key, item in settings.items() if f"data.{key}" not in set_by_user
        ]
        yield [f"data={kind}", *added, *overrides]
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others' files are there
                for folder in (path.parent, below, below.parent):
                    folder.rmdir()
        raise


def _file(data: InMemory, kind: str, below: Path, new: list[Path]) -> str:
    """Write data to a file, unless a file has it, and return its path; one that was not there is added to `new`."""
    handle, name = tempfile.mkstemp(dir=below, prefix=".new_")
    os.close(handle)
    file = Path(name)
    try:
        _write(data, file)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:DIGITS]
        path = below / digest / f"{'dataframe' if kind == 'feather' else 'arrays'}.{kind}"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            os.replace(file, path)
            new.append(path)
    finally:
        file.unlink(missing_ok=True)
    return str(path)


def _paths(files: Sequence[str | None], sets: Sequence[str]) -> dict[str, Any]:
    """Return the settings that name the files of the parts: training, validation and test, then further validation sets."""
    own = {key: file for key, file in zip(PATHS, files, strict=False) if file}
    return {**own, SETS: dict(zip(sets, files[len(PATHS) :], strict=True))} if sets else own


def _write(data: InMemory, path: Path) -> None:
    """Write a table as Feather, arrays as .npz: the same bytes for the same data."""
    if data.table is not None:
        from pyarrow import feather

        feather.write_feather(data.table, str(path), compression="lz4")
        return
    import numpy as np

    if objects := [name for name, array in data.arrays.items() if array.dtype.hasobject]:
        raise UserError(Problem("data", f"{objects[0]!r} holds Python objects. Give it numbers or texts."))
    with path.open("wb") as stream:
        np.savez(stream, **data.arrays)


def _typed(value: str | Sequence[str] | Mapping[str, str] | None) -> str:
    """Return a text, a list of texts, texts by name, or None, as an override's value."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}: {_typed(text)}' for name, text in value.items())}}}"
    if not isinstance(value, str):
        return f"[{','.join(map(_typed, value))}]"
    # Hydra reads a backslash as itself, except before a quotation mark.
    escaped = re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), value)
    return f'"{escaped}"'
