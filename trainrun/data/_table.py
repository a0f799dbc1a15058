"""A CSV file read at once, by pyarrow: columns of numbers and of text, told apart by the rules of `_columns.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _columns
from trainrun.data._columns import Wanted
from trainrun.data._header import Findings
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np


class Odd(Exception):
    """The file has a fault; `_lines.scan` tells which and where."""


@dataclass(frozen=True)
class Table:
    """The wanted columns.

    Args:
        numbers: name -> float64 `[n]`, NaN where a value is missing.
        texts: name -> (codes `[n]`, -1 where missing; the texts, sorted).
        missing: name -> text -> how often it stands for a missing value, where there are any.
    """

    numbers: dict[str, np.ndarray]
    texts: dict[str, tuple[np.ndarray, list[str]]]
    missing: dict[str, dict[str, int]]


def read(path: str, delimiter: str, wanted: Wanted, found: Findings) -> Table:
    """Return the wanted columns.

    Args:
        path, delimiter, wanted: as in `_header.look`.
        found: its result.

    Raises:
        Odd: a row has too many or too few fields, or a column of numbers holds something else.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    used = wanted.used(found.header)
    try:
        table = csv.read_csv(
            paths.expanded(path),
            read_options=csv.ReadOptions(column_names=found.header, skip_rows=found.header_lines),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(used, pa.string()), include_columns=used, strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise Odd(str(error)) from error
    numbers: dict[str, np.ndarray] = {}
    texts: dict[str, tuple[np.ndarray, list[str]]] = {}
    missing: dict[str, dict[str, int]] = {}
    # A column's text is given back as soon as it is understood, and Arrow keeps what it was given unless asked.
    read = {name: table[name] for name in used}
    del table
    for name in used:
        column, gone = _column(read.pop(name), wanted.forced(name), wanted.missing_words)
        if gone:
            missing[name] = gone
        if isinstance(column, np.ndarray):
            numbers[name] = column
        else:
            texts[name] = column
    pa.default_memory_pool().release_unused()
    return Table(numbers, texts, missing)


def _column(
    column: Any, forced: bool | None, missing: frozenset[str]
) -> tuple[np.ndarray | tuple[np.ndarray, list[str]], dict[str, int]]:
    """Return a column as numbers or as codes and texts, and how often which text stands for a missing value."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.utf8_trim_whitespace(column.combine_chunks())
    gone = pc.is_in(pc.utf8_lower(column), value_set=pa.array(sorted(missing)))
    words = {entry["values"]: entry["counts"] for entry in column.filter(gone).value_counts().to_pylist()}
    column = pc.if_else(gone, pa.scalar(None, pa.string()), column)
    count = column.null_count
    if forced is not False:
        try:
            values = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
            if np.isfinite(values).sum() == len(values) - count:
                return _held(values), words
        except pa.ArrowInvalid:
            pass
    coded = column.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    codes = np.where(
        gone.to_numpy(zero_copy_only=False), -1, coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    )
    if forced is not False:
        parsed = [_columns.number(t) for t in texts]
        often = np.bincount(codes[codes >= 0], minlength=len(texts))
        others = int(sum(n for n, p in zip(often, parsed, strict=True) if p is None))
        if forced or _columns.is_numeric(int(often.sum()) - others, others):
            if others:
                raise Odd("not a number")
            return _held(np.append(np.array(parsed, "float64"), np.nan)[codes]), words
    order = np.argsort(np.array(texts, dtype=object), kind="stable") if texts else np.array([], "int64")
    rank = np.empty(len(texts) + 1, "int64")
    rank[order], rank[-1] = np.arange(len(texts)), -1
    return (rank[codes], [texts[i] for i in order]), words


def _held(values: np.ndarray) -> np.ndarray:
    """Return the numbers, none of which is beyond float32."""
    if (abs(values) > _columns.LARGEST).any():
        raise Odd("a number is beyond float32")
    return values
