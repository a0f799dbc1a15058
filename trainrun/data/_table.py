"""Convert the columns of an Arrow table to numbers or category codes, by the same rules for every kind of table."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainrun.data import _columns, _large_integers, _notations, _spool, _spooled_table
from trainrun.data._arrow_arrays import as_numpy, is_date, strings, within_float32
from trainrun.data._columns import LARGEST
from trainrun.data._notations import Notation
from trainrun.data._spool import Store
from trainrun.data._table_settings import TableSettings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass
class Column:
    """One column.

    Args:
        numbers: float64 `[n]`, NaN where a value is missing; None: the column is not numeric.
        codes: int64 `[n]`, each an index into `texts`, -1 where a value is missing; None: the column is numeric.
        texts: the different values, sorted.
        missing: text -> how often it stands for a missing value; "": an empty field.
        first_missing: the row of the first missing value.
        invalid: rows whose value is not a number, or too large for one.
        notation: in which the numbers are written; None: plainly, or the column is not numeric. Dates are seconds since 1970, truth
            values 0 and 1.
        integers: those that `numbers` does not hold exactly, `[n]`; None: it holds each.
        typed: dates are dates in the file, not texts; numbers are real ones by their type, though all may be whole.
        is_text: it is free text, which becomes tokens.
        ends: texts of the least and the largest number, where they were in a notation that was understood.
        values: the column as read, where its texts are still needed: of the target, and to name invalid values.
    """

    numbers: np.ndarray | None = None
    codes: np.ndarray | None = None
    texts: Sequence[str] = ()
    missing: dict[str, int] = field(default_factory=dict)
    first_missing: int = 0
    invalid: np.ndarray | Sequence[int] = ()
    notation: Notation | None = None
    integers: np.ndarray | None = None
    typed: bool = False
    values: Any = None
    is_text: bool = False
    ends: tuple[str, str] | None = None

    def known(self) -> np.ndarray:
        """Return a mask of the present values, `[n]`."""
        import numpy as np

        return self.codes >= 0 if self.numbers is None else ~np.isnan(self.numbers)

    def digest(self) -> str:
        """Return 12 hexadecimal digits that change with the values: of sha256."""
        import numpy as np

        sha = hashlib.sha256("\0".join(self.texts).encode("utf-8", "surrogatepass"))
        sha.update(np.ascontiguousarray(self.codes if self.numbers is None else self.numbers).data)
        return sha.hexdigest()[:12]

    @property
    def kind(self) -> str:
        """What the column holds, in words: ``numbers``, ``dates``, ``truth values``, ``percentages`` …, ``categories`` or ``texts``."""
        if self.is_text:
            return "texts"
        return "categories" if self.numbers is None else self.notation.words if self.notation else "numbers"

    @property
    def is_date(self) -> bool:
        """Whether the numbers are dates, in seconds."""
        return self.notation is not None and self.notation.kind == "date"


@dataclass(frozen=True)
class Table:
    """The columns in use, by name, and the number of rows.

    Args:
        columns, rows: these.
        store: keeps arrays made of them.
    """

    columns: dict[str, Column]
    rows: int
    store: Store = _spool.in_memory


def converted(
    table: pa.Table, settings: TableSettings, typed: bool, store: Store = _spool.in_memory
) -> dict[str, Column]:
    """Return a table's columns as numbers and codes. Each Arrow column is freed as soon as it is converted.

    Args:
        table: columns of `settings.used`.
        settings: with the columns' names in the table.
        typed: whether columns have types, as in Parquet; otherwise text may hold numbers.
        store: keeps the features' values.
    """
    import pyarrow as pa
    import pyarrow.types as t

    names, read, schema, columns = table.column_names, table.columns, table.schema, {}
    del table
    for i, name in enumerate(names):
        values, read[i] = read[i], None
        column = (_typed if typed or t.is_floating(values.type) else _text)(values, settings, name)
        column.is_text, real = settings.is_text(name), typed and t.is_floating(values.type)
        column.typed = column.typed or real
        if name in settings.targets or len(column.invalid):
            column.values = values
        if column.numbers is None:
            column.codes = store(column.codes)
        elif not _spooled_table.is_in_file(schema, values, column.numbers):
            column.numbers = store(column.numbers)
        columns[name] = column
    # Arrow's memory pool keeps freed memory unless asked to release it.
    pa.default_memory_pool().release_unused()
    return columns


def _typed(values: pa.ChunkedArray, settings: TableSettings, name: str) -> Column:
    """Return a column of an Arrow type other than plain text."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind, forced = values.type, settings.forced(name)
    if t.is_dictionary(kind):
        kind, forced = kind.value_type, bool(forced)
        values = pc.cast(values, kind)
    if is_date(kind) and settings.formats == "auto" and forced is None and name not in settings.targets:
        return _dates(values)
    numeric = t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind)
    if not numeric or settings.numbers_may_be_missing or settings.is_ordinal(name):
        return _text(pc.cast(values, pa.string()), settings, name, typed=not numeric)
    if forced is False:
        if t.is_floating(kind):
            values = pc.if_else(pc.is_nan(values), pa.nulls(1, kind)[0], values)
        return encoded(values, settings)
    numbers = as_numpy(pc.cast(values, pa.float64(), safe=False), np.nan)
    column = Column(numbers, notation=settings.notations.get(name))
    column.integers = _large_integers.exact(values, numbers)
    gaps = np.isnan(numbers)
    if gaps.any():
        column.missing, column.first_missing = {"": int(gaps.sum())}, int(gaps.argmax())
    if not within_float32(numbers):
        column.invalid = np.flatnonzero(np.abs(numbers) > LARGEST)
    return column


def _text(values: pa.ChunkedArray, settings: TableSettings, name: str, typed: bool = False) -> Column:
    """Return a column of texts, of which more than half may be numbers.

    Args:
        values: the texts.
        settings: how they are to be read.
        name: of the column.
        typed: the column's type is text, so that numbers in it are none, unless the settings say so.
    """
    import numpy as np

    forced = settings.forced(name)
    plain_numbers = forced is True or (forced is None and not typed)
    column = _clean_numbers(values, settings) if plain_numbers and not settings.is_ordinal(name) else None
    if column is not None:
        return column
    column = encoded(values, settings)
    if name in settings.notations:
        notation = settings.notations[name]
        return _parse(column, True, lambda text: _notations.read(text, notation), notation)
    if forced is not False and settings.formats == "auto":
        only_numbers = name in (*settings.targets, settings.weight)
        understood = _notations.understand(column.texts, only_numbers, settings.number_form)
        if understood is not None:
            column.notation, numbers = understood
            column.ends = column.texts[int(numbers.argmin())], column.texts[int(numbers.argmax())]
            column.numbers = np.append(numbers, np.nan)[column.codes]
            column.codes, column.texts = None, ()
            return column
    return _parse(column, forced, settings.read_number) if plain_numbers else column


def _dates(values: pa.ChunkedArray) -> Column:
    """Return a column of dates or timestamps as seconds since 1970."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    clock = " in UTC" if getattr(values.type, "tz", None) else ""
    microseconds = pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())
    numbers = as_numpy(pc.cast(microseconds, pa.float64(), safe=False), np.nan) / 1e6
    column = Column(numbers, notation=Notation("date", "ymd", clock), typed=True)
    gaps = np.isnan(numbers)
    if gaps.any():
        column.missing, column.first_missing = {"": int(gaps.sum())}, int(gaps.argmax())
    return column


def _clean_numbers(values: pa.ChunkedArray, settings: TableSettings) -> Column | None:
    """Return a column all whose values are numbers or missing; None if it is not one."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def cast(column: pa.ChunkedArray) -> np.ndarray | None:
        if settings.number_form is not None:
            column = _notations.plain_numbers(column, settings.number_form)
        try:
            numbers = as_numpy(pc.cast(column, pa.float64()), np.nan)
        except pa.ArrowInvalid:
            return None
        # Arrow reads inf and nan as numbers; -inf and inf are found by their size.
        return numbers if np.isnan(numbers).sum() == column.null_count else None

    column = Column()
    numbers = None if values.null_count or settings.numbers_may_be_missing else cast(values)
    if numbers is None:
        values = pc.utf8_trim_whitespace(values)
        words = pc.cast(strings(sorted(settings.missing_words)), values.type)
        gone = pc.or_(pc.is_null(values), pc.is_in(pc.utf8_lower(values), value_set=words))
        present = pc.if_else(gone, pa.nulls(1, values.type)[0], values)
        numbers = cast(present)
        if numbers is None:
            return None
        counts, values = values.filter(gone).value_counts(), present
        for text, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
            column.missing[text or ""] = column.missing.get(text or "", 0) + count
        column.first_missing = int(np.isnan(numbers).argmax()) if column.missing else 0
    if np.isnan(numbers).all() or not within_float32(numbers):
        return None
    column.numbers, column.integers = numbers, _large_integers.exact(values, numbers)
    return column


def encoded(values: pa.ChunkedArray, settings: TableSettings) -> Column:
    """Return a column as codes of its texts."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    pool = pa.system_memory_pool()  # Arrow's own keeps what is freed, twice the size of the texts
    encoding = pc.dictionary_encode(pc.cast(values, pa.string()), memory_pool=pool)
    dictionary = encoding.combine_chunks(pool)
    indices, different = as_numpy(dictionary.indices, -1), dictionary.dictionary
    read = different.to_pylist()
    raw = [text.strip() for text in read]
    if raw != read:
        stripped = strings(raw).dictionary_encode()
        # The last one is that of a null, whose index is -1.
        indices = np.append(as_numpy(stripped.indices, -1), -1)[indices]
        different, raw = stripped.dictionary, stripped.dictionary.to_pylist()
    known = np.array([text.lower() not in settings.missing_words for text in raw], bool)
    order = as_numpy(pc.array_sort_indices(different), 0).astype("int64")  # by code points, as Python sorts
    order = order[known[order]]
    lookup = np.full(len(raw) + 1, -1)
    lookup[order] = np.arange(len(order))
    texts = [raw[i] for i in order.tolist()]
    counts = np.bincount(indices + 1, minlength=len(raw) + 1).tolist()
    missing: dict[str, int] = {"": counts[0]} if counts[0] else {}
    for i in np.flatnonzero(~known).tolist():
        missing[raw[i]] = missing.get(raw[i], 0) + counts[i + 1]
    codes = lookup[indices]
    return Column(None, codes, texts, missing, int((codes < 0).argmax()) if missing else 0)


def _parse(
    column: Column,
    forced: bool | None,
    read: Callable[[str], float | None],
    notation: Notation | None = None,
) -> Column:
    """Return a column of texts as numbers if it is to be numeric; texts that are none become invalid.

    Args:
        column: of texts.
        forced: see `TableSettings.forced`.
        read: returns the number that a text stands for, or None.
        notation: in which it does.
    """
    import numpy as np

    parsed = [read(text) for text in column.texts]
    often = np.bincount(column.codes[column.codes >= 0], minlength=len(parsed))
    others = int(sum(count for count, value in zip(often, parsed, strict=True) if value is None))
    if not forced and not _columns.is_numeric(int(often.sum()) - others, others):
        return column
    wrong = [value is None or abs(value) > LARGEST for value in parsed]
    column.invalid = np.flatnonzero(np.array([*wrong, False])[column.codes])
    numbers = np.array([*parsed, None], "float64")[column.codes]
    return dataclasses.replace(column, numbers=numbers, codes=None, texts=(), notation=notation)
