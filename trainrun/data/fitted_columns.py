"""Raw columns as a model takes them: what each holds and what is done to it. Plain data, without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainrun.data._notations import Notation


@dataclass(frozen=True)
class Column:
    """One raw column.

    Args:
        name: as the table has it.
        kind: ``number``; ``truth``: texts that stand for 0 and 1; ``ordinal``: texts that stand for ranks; ``date``: texts, or seconds since 1970;
            ``category``: texts; ``text``: texts that become tokens, an input each.
        form: the notation of numbers, truth values, ranks and dates, as `_notations.Notation.form`; None: plain numbers, or texts.
        fill: the number (of a date, seconds since 1970) or text in place of a missing value; None: a missing number stays NaN, and
            a missing text is unknown.
        parts: of a date, what the model gets: ``year``, ``month``, ``day``, ``weekday`` (0 is Monday), ``hour``.
        categories: texts, in the order of their codes from 1 on; code 0 is any other text.
        whole: all values of a column of plain numbers are integers, and none is missing.
        typed: the file has a date as such, not as text.
    """

    name: str
    kind: Literal["number", "truth", "ordinal", "date", "category", "text"]
    form: str | None = None
    fill: float | str | None = None
    parts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    whole: bool = False
    typed: bool = False

    @property
    def fill_code(self) -> int:
        """The code of a missing text."""
        return 1 + self.categories.index(self.fill) if self.fill in self.categories else 0

    @property
    def features(self) -> tuple[str, ...]:
        """The names under which the model reads it: of a date those of its parts, of a text none, else the column's own."""
        return tuple(f"{self.name} {part}" for part in self.parts) or (self.name,) * (self.kind != "text")

    @property
    def words(self) -> str:
        """What the column holds."""
        if self.kind in ("category", "text"):
            return "texts" if self.kind == "text" else "categories"
        return "numbers" if self.form is None else Notation(self.kind, self.form).words


@dataclass(frozen=True)
class WindowColumns:
    """Where in a table the windows of time series are found.

    Args:
        columns: of a window, the target first.
        time, series: the columns by which rows are sorted; None: there is none.
        fill: of each column, the number in place of a value before which there is none; empty: it stays missing.
    """

    columns: tuple[str, ...]
    time: str | None = None
    series: str | None = None
    fill: tuple[float, ...] = ()

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns that say which window it is."""
        return tuple(name for name in (self.series, self.time) if name is not None)
