"""Arrow arrays to numpy and back without pandas, which Arrow's own conversions import; types that columns may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainrun.data._columns import LARGEST

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def as_numpy(values: pa.Array | pa.ChunkedArray, null: float) -> np.ndarray:
    """Return numbers as a read-only array, without pandas, which Arrow's `to_numpy` and `scalar` import.

    Args:
        values: float64 or integers.
        null: stands for a null.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, pa.ChunkedArray):
        # A single chunk stays where it is.
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if values.null_count:
        filler = pa.py_buffer(np.full(1, null, str(values.type).replace("double", "float64")))
        values = pc.fill_null(values, pa.Array.from_buffers(values.type, 1, [None, filler])[0])
    return np.from_dlpack(values)


def within_float32(numbers: np.ndarray) -> bool:
    """Return whether all numbers that are present are finite as float32."""
    return within(numbers, LARGEST)


def within(numbers: np.ndarray, largest: float) -> bool:
    """Return whether the absolute values of all numbers that are present are at most `largest`."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(numbers, initial=0), np.fmax.reduce(numbers, initial=0)
    return bool(low >= -largest and high <= largest)


def strings(texts: Sequence[str], large: bool = False) -> pa.StringArray | pa.LargeStringArray:
    """Return an Arrow array of texts, without pandas, which `pyarrow.array` imports.

    Args:
        texts: of less than 2 GiB together, unless `large`.
        large: of the type `large_string`.
    """
    import numpy as np
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype="int64" if large else "int32")
    kind = pa.LargeStringArray if large else pa.StringArray
    return kind.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def unsupported(schema: pa.Schema, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the columns whose types are neither numbers nor text nor dates nor times of day, each with its type."""
    import pyarrow.types as t

    def fits(kind: pa.DataType) -> bool:
        if t.is_dictionary(kind):
            return fits(kind.value_type)
        numeric = t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind)
        text = t.is_string(kind) or t.is_large_string(kind) or getattr(t, "is_string_view", t.is_string)(kind)
        return numeric or text or t.is_boolean(kind) or t.is_null(kind) or is_date(kind) or t.is_time(kind)

    return [(name, str(schema.field(name).type)) for name in names if not fits(schema.field(name).type)]


def unified(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Return the schema of the rows of two files; where a column's types differ, dictionaries of text are text, decimals float64."""
    import pyarrow as pa
    import pyarrow.types as t

    def plain(kind: pa.DataType) -> pa.DataType:
        value = kind.value_type if t.is_dictionary(kind) else kind
        if t.is_string(value) or getattr(t, "is_string_view", t.is_string)(value):
            return pa.string()
        if t.is_large_string(value):
            return value
        return pa.float64() if t.is_decimal(kind) else kind

    same = {*zip(schema.names, schema.types, strict=True)} & {*zip(other.names, other.types, strict=True)}
    return pa.unify_schemas(
        [
            pa.schema([f if (f.name, f.type) in same else f.with_type(plain(f.type)) for f in each])
            for each in (schema, other)
        ],
        promote_options="permissive",
    )


def is_date(kind: pa.DataType) -> bool:
    """Return whether values of a type are dates or timestamps."""
    import pyarrow.types as t

    return t.is_timestamp(kind) or t.is_date(kind)
