"""CSV files in folders that name columns: ``sales/year=2024/part-0.csv``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data import _leading_zeros
from trainrun.data._csv_source import CsvSource
from trainrun.data._faults import Fault

if TYPE_CHECKING:
    import pyarrow as pa


class FolderedCsv(CsvSource):
    """The table of CSV files and of the columns that stand in their folders' names, as text.

    Args:
        source: of the files.
        of_folders: of each file, column -> value or None, see `_partitions`; all have the same columns.
    """

    def __init__(self, source: CsvSource, of_folders: Sequence[dict[str, str | None]]) -> None:
        super().__init__(source.name, source._files, source._note, source._parts)
        self.header = (*source.header, *of_folders[0])
        self._of_folders, self._own = of_folders, source.header

    def header_advice(self, names: Sequence[str]) -> str:
        return super().header_advice([name for name in names if name not in self._of_folders[0]])

    def leading_zeros(self) -> Mapping[str, str]:
        of_folders = {
            name: _leading_zeros.of_texts([values[name] or "" for values in self._of_folders])
            for name in self._of_folders[0]
        }
        return {
            **super().leading_zeros(),
            **{name: example for name, example in of_folders.items() if example},
        }

    def read(self, columns: Sequence[str], text: Collection[str]) -> tuple[pa.Table | None, list[Fault]]:
        import pyarrow as pa

        table, faults = super().read(self._of_files(columns), text)
        if table is None:
            return None, faults
        ends = [sum(self._rows[: i + 1]) for i in range(len(self._rows))]
        parts = (table.slice(end - rows, rows) for rows, end in zip(self._rows, ends, strict=True))
        whole = [self._with_folder(part, i, columns) for i, part in enumerate(parts)]
        return pa.concat_tables(whole), faults

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for block in super().blocks(self._of_files(columns)):
            yield self._with_folder(block, len(self._rows) - 1, columns)

    def _of_files(self, columns: Sequence[str]) -> list[str]:
        """Return those of some columns that the files have; one at least, which tells the number of rows."""
        return [name for name in columns if name in self._own] or [self._own[0]]

    def _with_folder(self, table: pa.Table, file: int, columns: Sequence[str]) -> pa.Table:
        """Return the columns of rows of a file."""
        import pyarrow as pa

        values: Mapping[str, str | None] = self._of_folders[file]
        return pa.table({
            name: pa.repeat(pa.scalar(values[name] or "", pa.string()), table.num_rows) if name in values else table[name]
            for name in columns
        })  # fmt: skip
