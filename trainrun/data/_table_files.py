"""Find the files of one table: a file, a folder or a glob pattern; all files have the same columns."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import _partitions, _remote_files, _spool
from trainrun.data._faults import Fault
from trainrun.errors import listed
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table_settings import TableSettings

# Faulty files that a message lists.
NAMED = 5
COMPRESSED = (".gz", ".zst", ".bz2")
# Endings of files that may stand in folders ``column=value``.
PARTITIONED = (".parquet", ".feather", ".csv")


def groups(columns: Sequence[str], rows: int) -> list[Sequence[str]]:
    """Return the columns of a table in groups, each of which is read at once; one group if the table is held in memory."""
    if rows * len(columns) * _spool.ITEM <= _spool.LARGE:
        return [columns]
    count = max(1, _spool.LARGE // 4 // (rows * _spool.ITEM))
    return [columns[at : at + count] for at in range(0, len(columns), count)]


def find(path: str | None, endings: Sequence[str], example: str) -> tuple[list[Path], list[Fault]]:
    """Return the files of a path as typed, sorted by name, or its faults.

    Args:
        path: a file, a folder, a pattern with ``*``, ``?`` or ``[…]``, or an address of one.
        endings: file extensions that are read from a folder; the first is used in messages.
        example: for messages (``data.path=my_data.csv``).
    """
    path = None if path is None else local(str(path))
    if path is not None and _remote_files.is_address(path):
        return _remote_files.find(path, endings, endings[0] in PARTITIONED)
    files = [] if path is None else _matches(path, endings)
    if files is None:
        what = (
            f"the folder {path} has no file with the ending {endings[0]}"
            if paths.expanded(path).is_dir()
            else ""
        )
        return [], [("path", f"{what or f'no file matches {path}'}. For example {example}.")]
    faults = [fault for file in files or [path] if (fault := paths.fault(file, endings[0], example))]
    return files, [("path", fault) for fault in faults[:NAMED]]


def local(path: str) -> str:
    """Return a path as typed, of a file:// address that of the file."""
    return path.removeprefix("file://localhost" if path.startswith("file://localhost/") else "file://")


# The arguments with the files of training, validation and test rows.
PATHS = ("path", "validation_path", "test_path")
SETS = "validation_sets"  # the argument with those of further validation sets, by name
# Argument -> the path of one part's rows as typed, those of the training rows first; None: the part has no file of its own.
Paths = Mapping[str, str | None]


def paths_of(arguments: Mapping[str, Any]) -> Paths:
    """Return the paths of training, validation and test rows among a dataset's arguments, then those of further validation sets (``validation_sets.hard``)."""
    sets = arguments.get(SETS)
    named = sets if isinstance(sets, Mapping) else {}
    return {name: arguments.get(name) for name in PATHS} | {
        set_key(name): path for name, path in named.items()
    }


def set_key(name: str) -> str:
    """Return the argument with the files of a further validation set."""
    return f"{SETS}.{name}"


def find_parts(
    paths: Paths, endings: Sequence[str], example: str
) -> tuple[list[Path], list[int], list[Fault]]:
    """Return the files of all parts, the part that each is of, and what is wrong with the paths.

    Args:
        paths: of the parts; see `find`.
        endings: as in `find`.
        example: for messages (``my_data.csv``).
    """
    files, parts, faults = [], [], []
    for part, (key, path) in enumerate(paths.items()):
        if path is not None or key not in PATHS[1:]:
            more, wrong = find(path, endings, f"data.{key}={example}")
            files += more
            parts += [part] * len(more)
            faults += [(key, message) for _, message in wrong]
    return files, parts, faults


def arguments_of(paths: Paths, parts: Sequence[int]) -> list[str]:
    """Return the argument of each file; `parts` as `find_parts` returns them."""
    arguments = [*paths]
    return [arguments[part] for part in parts]


def of_folders(
    files: Sequence[Path], parts: Sequence[int], paths: Paths, own: Collection[str]
) -> list[dict[str, str | None]]:
    """Return the columns, with their values, that stand in the names of each file's folders.

    Args:
        files, parts: as `find_parts` returns them.
        paths: as typed.
        own: the columns of the files, which have precedence.
    """
    roots = [None if path is None else _root(str(path)) for path in paths.values()]
    return [_partitions.values(file, roots[part], own) for file, part in zip(files, parts, strict=True)]


def folder_note(of_files: Sequence[Mapping[str, str | None]]) -> str:
    """Return which columns stand in the names of folders, as the end of a sentence, or ""."""
    names = ", ".join(dict.fromkeys(name for each in of_files for name in each))
    return names and f", their folders name {names}"


def _root(path: str) -> Path:
    """Return the folder below which the names of a path's folders are columns."""
    path = local(path)
    return _remote_files.FOLDER if _remote_files.is_address(path) else _partitions.root(path)


def own_files(parts: Sequence[int]) -> list[str]:
    """Return the held-out parts among those of some files."""
    return [name for part, name in ((1, "validation"), (2, "test")) if part in parts]


def parts_of_rows(parts: Sequence[int], rows: Sequence[int]) -> np.ndarray:
    """Return the part of each row, int16 `[n]`.

    Args:
        parts: of each file.
        rows: how many each file has.
    """
    import numpy as np

    return np.repeat(np.array(parts, "int16"), rows)


def _matches(path: str, endings: Sequence[str]) -> list[Path] | None:
    """Return the files, or None if a folder or a pattern has no matching file."""
    where = paths.expanded(path)
    try:
        if where.is_dir():
            visible = (file for file in where.iterdir() if file.is_file() and not file.name.startswith("."))
            files = sorted(file for file in visible if file.name.endswith(tuple(endings)))
            return (
                files
                or (_partitions.files_below(where, endings) if endings[0] in PARTITIONED else None)
                or None
            )
        if glob.has_magic(path) and not where.exists():
            return (
                sorted(
                    file for name in glob.glob(str(where), recursive=True) if (file := Path(name)).is_file()
                )
                or None
            )
    except (OSError, ValueError):  # a NUL, too long a name, no permission: `paths.fault` says which
        pass
    return [where]


def name(files: Sequence[Path], path: str) -> str:
    """Return the name of a dataset: that of its file without endings, or of the folder of its files.

    Args:
        files: the files of the training rows.
        path: as typed, or an address, whose files are copies in folders without a telling name.
    """
    if len(files) == 1:
        return (files[0].with_suffix("") if files[0].suffix in COMPRESSED else files[0]).stem
    if _remote_files.is_address(path):
        return [part for part in path.split("/") if part and not glob.has_magic(part)][-1]
    return _root(path).resolve().name


def schema_faults(
    files: Sequence[Path],
    arguments: Sequence[str],
    headers: Sequence[Sequence[str]],
    unused: Collection[str] = (),
) -> list[Fault]:
    """Return a fault for each file whose columns differ from those of the first; their order may differ.

    Args:
        files: the files.
        arguments: the argument with the path of each.
        headers: the columns of each.
        unused: columns that are not read, which a file may lack or have besides.
    """
    faults = []
    first = set(headers[0])
    for file, argument, header in zip(files[1:], arguments[1:], headers[1:], strict=True):
        present = {*header, *unused}
        lacking = [c for c in headers[0] if c not in present]
        more = [c for c in header if c not in first and c not in unused]
        if lacking or more:
            parts = [f"lacks {listed(lacking)}"] if lacking else []
            parts += [f"also has {listed(more)}"] if more else []
            message = (
                f"{file} has other columns than {files[0]}: it {' and '.join(parts)}. Files of one table have the same columns, but for "
                "those that data.exclude names."
            )
            faults.append((argument, message))
    return faults[:NAMED]


def unused(settings: TableSettings | None, headers: Sequence[Sequence[str]]) -> set[str]:
    """Return the columns of a table's files that are not read.

    Args:
        settings: of the columns, as typed; None: all are read.
        headers: the columns of each file.
    """
    known = set().union(*headers)
    if settings is None:
        return set()
    resolved, faults = settings.with_header(headers[0])
    if not faults:
        # Without a list of features, a column that the first file lacks was forgotten there.
        return (known if settings.features is not None else {*headers[0]}) - {*resolved.used}
    return set()
