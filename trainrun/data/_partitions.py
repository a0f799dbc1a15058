"""Columns that stand in the names of folders: ``sales/year=2024/region=north/part-0.parquet``, as Hive, Spark and pandas write them."""

from __future__ import annotations

import glob
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from trainrun.errors import first_line
from trainrun.util import paths

if TYPE_CHECKING:
    import pyarrow as pa


MISSING = "__HIVE_DEFAULT_PARTITION__"


class OtherTypes(Exception):
    """Values of a file do not fit the type that their column has in all files."""


def files_below(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Return the files in the folders ``column=value`` of a folder and in those below, sorted; hidden ones are left out."""
    found = (
        file
        for part in folder.glob("*=*")
        for file in part.rglob("*")
        if file.is_file() and not any(name.startswith((".", "_")) for name in file.relative_to(folder).parts)
    )
    return sorted(file for file in found if file.name.endswith(tuple(endings)))


def root(path: str) -> Path:
    """Return the folder below which the names of folders are columns: a folder as typed, or that before a pattern's first ``*``."""
    where = paths.expanded(path)
    while glob.has_magic(str(where)) and not where.exists():
        where = where.parent
    return where


def values(file: Path, below: Path, own: Collection[str]) -> dict[str, str | None]:
    """Return column -> value of the folders between a file and a root; None where the value is missing.

    Args:
        file: the file.
        below: the root; a copy of a remote file is not below it.
        own: the columns of the files, which have precedence.
    """
    if not file.parent.is_relative_to(below):
        return {}
    named = (name.partition("=") for name in file.parent.relative_to(below).parts if "=" in name)
    found = {unquote(key): None if value == MISSING else unquote(value) for key, _, value in named if key}
    return {key: value for key, value in found.items() if key not in own}


def fields(of_files: Sequence[dict[str, str | None]]) -> list[pa.Field]:
    """Return the columns of the folders' names: integers if all values are some, else texts.

    Args:
        of_files: the values of each file, see `values`; all have the same columns.
    """
    import pyarrow as pa

    texts = {name: [each[name] for each in of_files if each[name] is not None] for name in of_files[0]}
    return [
        pa.field(name, pa.int64() if all(map(_is_integer, texts[name])) else pa.string()) for name in texts
    ]


def with_values(table: pa.Table, schema: pa.Schema, of_folder: dict[str, str | None]) -> pa.Table:
    """Return the columns of a schema, of a file's table and of its folders' names.

    Raises:
        OtherTypes: values of a column do not fit its type in the schema, which is that of all files.
    """
    import pyarrow as pa

    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name in of_folder:
            values = pa.repeat(pa.scalar(of_folder[name], pa.string()), table.num_rows)
        else:
            values = table[name]
        try:
            columns.append(values.cast(kind))
        except pa.ArrowInvalid as error:
            raise OtherTypes(f"column {name}: {first_line(error).rstrip('.')}") from error
    return pa.table(columns, schema=schema)


def _is_integer(text: str) -> bool:
    # `007` and `1_000` are names, as in the table's columns of text.
    return text.removeprefix("-").isdigit() and text.isascii() and str(int(text)) == text
