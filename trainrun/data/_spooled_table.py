"""Arrow tables in mapped files without names, for rows that come one batch after another."""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING

from trainrun.data import _spool
from trainrun.data._arrow_arrays import as_numpy

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Key of a schema's metadata: the table is one of `arrow_table`.
IN_FILE = b"in_file"


def arrow_table(schema: pa.Schema, batches: Iterable[pa.RecordBatch], most: int = 0) -> pa.Table:
    """Return rows that are read one batch after another as a table in mapped files without names.

    Args:
        schema: of all batches.
        batches: these.
        most: a limit of their rows, by which each column of float64 gets room to be in one piece; 0: there is none.

    Raises:
        UserError: there is no room.
    """
    import pyarrow as pa

    numbers = [field.name for field in schema if most and field.type == pa.float64()]
    others = pa.schema([field for field in schema if not (most and field.type == pa.float64())])
    with contextlib.ExitStack() as opened:
        columns = _Columns(opened.enter_context(tempfile.TemporaryFile(dir=_spool.folder())), numbers, most)
        file = opened.enter_context(tempfile.TemporaryFile(dir=_spool.folder()))
        writer = pa.ipc.new_file(file, others)
        for batch in batches:
            try:
                columns.write(batch)
                if len(others):
                    writer.write_batch(batch.select(others.names))
            except OSError as error:
                raise _spool.no_room(error) from error
        try:
            writer.close()
            file.flush()
            made = columns.arrays()
        except OSError as error:
            raise _spool.no_room(error) from error
        if len(others):
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
            made |= dict(zip(others.names, table.columns, strict=True))
    return pa.table([made[name] for name in schema.names], schema=schema.with_metadata({IN_FILE: b""}))


def is_in_file(schema: pa.Schema, values: pa.ChunkedArray, numbers: np.ndarray) -> bool:
    """Return whether numbers are those of a column of `arrow_table`, where they lie.

    Args:
        schema: of the table.
        values: the column.
        numbers: made of it.
    """
    import numpy as np
    import pyarrow as pa

    if IN_FILE not in (schema.metadata or {}) or values.null_count or values.num_chunks != 1:
        return False
    return pa.types.is_float64(values.type) and np.may_share_memory(as_numpy(values, 0), numbers)


class _Columns:
    """Columns of float64 whose rows come batch by batch, each in its own part of a file; what no row fills takes no room there.

    Args:
        file: open.
        names: of the columns.
        most: a limit of the rows.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str], most: int) -> None:
        self._file, self._names, self._rows = file, names, 0
        self._each = -(-most * _spool.ITEM // mmap.PAGESIZE) * mmap.PAGESIZE
        self._gaps: set[str] = set()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the columns of a batch."""
        import numpy as np

        column = {name: i for i, name in enumerate(batch.schema.names)}  # by name it is looked for anew
        for i, name in enumerate(self._names):
            values = batch.column(column[name])
            if values.null_count:
                self._gaps.add(name)
            _spool.write_all(
                self._file.fileno(), as_numpy(values, np.nan), i * self._each + self._rows * _spool.ITEM
            )
        self._rows += batch.num_rows

    def arrays(self) -> dict[str, pa.Array]:
        """Return the columns; NaN is written where a value is null."""
        import numpy as np
        import pyarrow as pa

        if not self._rows or not self._names:
            return {name: pa.nulls(0, pa.float64()) for name in self._names}
        self._file.truncate(len(self._names) * self._each)
        content = mmap.mmap(self._file.fileno(), 0)
        made = {}
        for i, name in enumerate(self._names):
            values = np.frombuffer(content, "float64", self._rows, i * self._each)
            present = np.packbits(~np.isnan(values), bitorder="little") if name in self._gaps else None
            buffers = [None if present is None else pa.py_buffer(present), pa.py_buffer(values)]
            made[name] = pa.Array.from_buffers(pa.float64(), self._rows, buffers)
        return made
