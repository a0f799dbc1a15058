"""Read Parquet and Feather files, whose columns have types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainrun.data import _file_kinds, _partitions, _table_files
from trainrun.data._arrow_arrays import unified, unsupported
from trainrun.data._faults import Fault, Place, raise_faults
from trainrun.data._header_names import exclusion
from trainrun.data._split_settings import settings_of
from trainrun.data._table_files import Paths
from trainrun.data._table_settings import TableSettings
from trainrun.errors import first_line

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# The preflight check reads files up to this size (bytes) completely, of larger ones only the columns' names and types.
SMALL = 2_000_000
# Rows that `ArrowSource.blocks` yields at once.
STREAMED = 65_536
# pandas writes a table's index as columns of this name.
INDEX = "__index_level_"
Format = Literal["parquet", "feather"]


class ArrowSource:
    """See `_table_dataset.TableSource`.

    Args:
        name: of the dataset.
        files: the files.
        kind: ``parquet`` or ``feather``.
        schema: of all files.
        parts: the part that each file is of: 0 training, 1 validation, 2 test.
        arguments: the dataset's argument with the path of each file.
        of_folders: of each file, the values of the columns that stand in its folders' names, see `_partitions`.
    """

    typed = True

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        kind: Format,
        schema: pa.Schema,
        parts: list[int],
        arguments: Sequence[str],
        of_folders: Sequence[dict[str, str | None]],
    ) -> None:
        self.name = name
        self._parts, self.own_files = parts, _table_files.own_files(parts)
        self.header = [name for name in schema.names if not name.startswith(INDEX)]
        self._files, self._kind, self._schema, self._of_folders = files, kind, schema, of_folders
        self._arguments = arguments
        self._rows: list[int] = []  # of each file that was read

    @property
    def is_small(self) -> bool:
        return sum(file.stat().st_size for file in self._files) <= SMALL

    def file_parts(self) -> np.ndarray:
        return _table_files.parts_of_rows(self._parts, self._rows)

    def leading_zeros(self) -> Mapping[str, str]:
        return {}

    def understood(self) -> str:
        count = self._parts.count(0)
        if count == 1:
            return ""
        return f"data.path: {count} files{_table_files.folder_note(self._of_folders)}."

    def groups(self, columns: Sequence[str]) -> list[Sequence[str]]:
        import pyarrow as pa

        try:
            rows = sum(_rows(file, self._kind) for file in self._files)
        except (pa.ArrowException, OSError):  # `read` has the message
            return [columns]
        return _table_files.groups(columns, rows)

    def read(self, columns: Sequence[str], text: Collection[str]) -> tuple[pa.Table | None, list[Fault]]:
        import pyarrow as pa

        if faults := type_faults(self._schema, columns):
            return None, faults
        schema = pa.schema([self._schema.field(name) for name in columns])
        tables = []
        for file, argument, of_folder in zip(self._files, self._arguments, self._of_folders, strict=True):
            try:
                table = _read(file, self._kind, [name for name in columns if name not in of_folder])
                table.validate(full=True)  # offsets of a damaged file lead outside of memory
                tables.append(_partitions.with_values(table, schema, of_folder))
            except (pa.ArrowException, OSError, _partitions.OtherTypes) as error:
                return None, [(argument, _damaged(file, self._kind, error))]
        self._rows = [table.num_rows for table in tables]
        table = pa.concat_tables(tables)
        return table, [] if table.num_rows else [("path", f"{self._files[0]} has no rows.")]

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the columns, some rows at a time.

        Raises:
            UserError: a column has another type, or a file is damaged; the rows before that were yielded.
        """
        import pyarrow as pa

        faults = type_faults(self._schema, columns)
        schema = pa.schema([self._schema.field(name) for name in columns])
        self._rows = []
        each = zip(self._files, self._arguments, self._of_folders, strict=True)
        for file, argument, of_folder in () if faults else each:
            self._rows.append(0)
            try:
                for batch in _batches(file, self._kind, [name for name in columns if name not in of_folder]):
                    batch.validate(full=True)
                    self._rows[-1] += batch.num_rows
                    yield _partitions.with_values(pa.Table.from_batches([batch]), schema, of_folder)
            except (pa.ArrowException, OSError, _partitions.OtherTypes) as error:
                faults = [(argument, _damaged(file, self._kind, error))]
                break
        raise_faults(faults)

    def locate(self, rows: Sequence[int]) -> Mapping[int, Place]:
        places, first = {}, 0
        for file, argument, count in zip(self._files, self._arguments, self._rows, strict=True):
            prefix = f"{file.name}, " if len(self._files) > 1 else ""
            places |= {
                row: Place(f"{prefix}row {row - first + 1}", argument)
                for row in rows
                if first <= row < first + count
            }
            first += count
        return places


def type_faults(schema: pa.Schema, columns: Sequence[str]) -> list[Fault]:
    """Return the faults of columns whose types are neither numbers nor text.

    Args:
        schema: of the table.
        columns: the names of those that are used.
    """
    return [
        (
            "path",
            f"column {name} has the type {kind}; expected numbers, text, dates, times of day, or true and false. "
            f"Leave it out ({exclusion([name])}), or save it as one of those.",
        )
        for name, kind in unsupported(schema, columns)
    ]


def opener(
    kind: Format, arguments: Mapping[str, Any]
) -> Callable[[], tuple[ArrowSource | None, list[Fault]]]:
    """Return what opens the table of a dataset.

    Args:
        kind: ``parquet`` or ``feather``.
        arguments: of the dataset.
    """
    return lambda: open_source(_table_files.paths_of(arguments), kind, settings_of(arguments)[0])


def open_source(
    paths: Paths, kind: Format, settings: TableSettings | None = None
) -> tuple[ArrowSource | None, list[Fault]]:
    """Return the table source of paths as typed, or their faults.

    Args:
        paths: of the parts, each a file, a folder, a pattern or None.
        kind: ``parquet`` or ``feather``.
        settings: of the columns, which say what is not read; None: nothing.
    """
    import pyarrow as pa

    files, parts, faults = _table_files.find_parts(paths, [f".{kind}"], f"my_data.{kind}")
    if faults:
        return None, faults
    schemas, arguments = [], _table_files.arguments_of(paths, parts)
    for file, argument in zip(files, arguments, strict=True):
        try:
            schemas.append(_schema(file, kind))
        except (pa.ArrowException, OSError) as error:
            faults.append((argument, _damaged(file, kind, error)))
    if faults:
        return None, faults[: _table_files.NAMED]
    own = {name for schema in schemas for name in schema.names}
    of_folders = _table_files.of_folders(files, parts, paths, own)
    headers = [[*s.names, *values] for s, values in zip(schemas, of_folders, strict=True)]
    unused = _table_files.unused(settings, headers)
    if faults := _table_files.schema_faults(files, arguments, headers, unused):
        return None, faults
    schema = schemas[0].remove_metadata()
    for file, argument, other in zip(files[1:], arguments[1:], schemas[1:], strict=True):
        read = pa.schema([field for field in other if field.name not in unused])
        try:
            schema = unified(schema, read)
        except pa.ArrowException as error:
            return None, [
                (
                    argument,
                    f"{file} has other types than the files before it: {first_line(error).rstrip('.')}.",
                )
            ]
    # Others differ in what is not read only.
    of_folders = [{column: each.get(column) for column in of_folders[0]} for each in of_folders]
    for field in _partitions.fields(of_folders):
        schema = schema.append(field)
    name = _table_files.name(
        [file for file, part in zip(files, parts, strict=True) if not part], str(paths["path"])
    )
    return ArrowSource(name, files, kind, schema, parts, arguments, of_folders), []


def _schema(file: Path, kind: Format) -> pa.Schema:
    if kind == "parquet":
        from pyarrow import parquet

        return parquet.read_schema(file)
    import pyarrow as pa

    with pa.memory_map(str(file)) as stream:
        return pa.ipc.open_file(stream).schema


def _rows(file: Path, kind: Format) -> int:
    """Return the number of a file's rows, without `pyarrow.dataset`, which imports pandas."""
    if kind == "parquet":
        from pyarrow import parquet

        return parquet.read_metadata(file).num_rows
    import pyarrow as pa

    with pa.memory_map(str(file)) as stream:
        # One column is enough; compressed ones are unpacked.
        reader = pa.ipc.open_file(stream, options=pa.ipc.IpcReadOptions(included_fields=[0]))
        return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))


def _read(file: Path, kind: Format, columns: Sequence[str]) -> pa.Table:
    if kind == "parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(file, page_checksum_verification=True) as opened:
            return opened.read(columns=list(columns))
    from pyarrow import feather

    return feather.read_table(file, columns=list(columns))


def _batches(file: Path, kind: Format, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if kind == "parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(file, page_checksum_verification=True) as opened:
            yield from opened.iter_batches(STREAMED, columns=list(columns))
        return
    import pyarrow as pa

    with pa.memory_map(str(file)) as stream:
        reader = pa.ipc.open_file(stream)
        for i in range(reader.num_record_batches):
            whole = reader.get_batch(i).select(columns)
            yield from (whole.slice(first, STREAMED) for first in range(0, whole.num_rows, STREAMED))


def _damaged(file: Path, kind: Format, error: Exception) -> str:
    if isinstance(error, _partitions.OtherTypes):
        return f"{file} has values that do not fit the type that the column has in all files: {error}. Save it in one type in all of them."
    advice = _file_kinds.advice(file)
    if not advice or f"data={kind}." in advice:
        advice = f"{first_line(error).rstrip('.')}. Is it complete?"
    return f"{file} cannot be read as {kind.title()}. {advice}"
