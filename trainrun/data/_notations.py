"""Texts that stand for numbers in another notation than Python's: percentages, separators, truth values, dates, times of day."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainrun.data import _clock_times, _date_texts
from trainrun.data._columns import LARGEST, number
from trainrun.data._date_texts import DATE, DATE_ORDERS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from trainrun.data._faults import Fault

# Truth values, false before true, in lower case.
TRUTH = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("off", "on"))
# Numbers with a thousands separator and a decimal point; the first notation that fits all texts is meant.
SEPARATORS = ("1,234.5", "1.234,5", "1 234,5", "1'234.5")
# A negative number as accountants write it: (7.78), ($1,024.00).
NEGATIVE = re.compile(r"\(([^()+-]+)\)")
MINUS = "\u2212"  # as typesetters and some programs write it
LIST = "["  # begins the form of ordinal texts, and no other
CURRENCY = "$€£¥"
# Texts that are looked at first: most columns of categories are none of these.
FIRST = 20


@dataclass(frozen=True)
class Notation:
    """The notation of a column.

    Args:
        kind: ``number``, ``truth``, ``date`` or ``ordinal``.
        form: of numbers one such as in `SEPARATORS`, with ``%`` or a currency's sign at its end, or of times, as hours, one of
            `_clock_times.FORMS`; of truth values ``false/true`` and the like;
            of dates one of `DATE_ORDERS`; of ordinal texts their list in JSON, the lowest first.
        clock: of dates: which clock their times are of, in words; see `_date_texts.clock`. Of times: ``durations`` if they are none of day.
    """

    kind: str
    form: str
    clock: str = field(default="", compare=False)

    @classmethod
    def of_levels(cls, levels: Sequence[str]) -> Notation:
        """Return the notation of ordinal texts, which stand for their ranks 0, 1, 2 …"""
        return cls("ordinal", json.dumps(list(levels), ensure_ascii=False))

    @property
    def levels(self) -> list[str]:
        """The ordinal texts, the lowest first."""
        return json.loads(self.form)

    @property
    def words(self) -> str:
        """What a column in this notation holds, in words."""
        if self.kind == "date":
            return f"dates as {DATE_ORDERS[self.form]}{self.clock}"
        if self.kind == "ordinal":
            return f"ranks of {' < '.join(self.levels)}"
        if self.form in _clock_times.FORMS:
            return f"{self.clock or 'times'} as {self.form}, in hours"
        return f"truth values {self.form}" if self.kind == "truth" else f"numbers as {self.form}"


def date_faults(dates: Any) -> list[Fault]:
    """Return what is wrong with the columns that were named as dates."""
    orders = dates.values() if isinstance(dates, Mapping) else ()
    if isinstance(dates, list | tuple | Mapping | None) and all(order in DATE_ORDERS for order in orders):
        return []
    return [
        (
            "dates",
            f"expected columns, [sold], or the order of their fields, {{sold: dmy}} ({', '.join(DATE_ORDERS)}); got {dates!r}.",
        )
    ]


def level_faults(ordinal: Mapping[Any, Any]) -> list[Fault]:
    """Return what is wrong with columns whose values were listed from the lowest to the highest."""
    faults = []
    for name, values in ordinal.items():
        if not isinstance(values, list | tuple) or len({*map(str, values)}) < max(2, len(values)):
            example = f"{{{name}: [S, M, L]}}"
            message = f"expected the values of {name} from the lowest to the highest, as in {example}; got {values!r}."
            faults.append(("ordinal", message))
    return faults


def known_form(kind: str, form: str | None) -> bool:
    """Return whether there is such a notation for a column of a kind; None: plain numbers, or categories."""
    if kind in ("category", "text") or (kind == "number" and form is None):
        return form is None
    if kind == "date":
        return form in DATE_ORDERS
    if kind == "ordinal":
        return (form or "").startswith(LIST)
    if kind == "truth":
        return tuple((form or "").split("/")) in TRUTH
    forms = {form_of(decimal, thousands) for decimal in ".," for thousands in ("", *",. '")}
    forms |= {*_clock_times.FORMS}
    return bool(form) and (form in forms or (form[-1] in f"%{CURRENCY}" and form[:-1] in forms))


def understand(
    texts: Sequence[str], numbers_only: bool = False, form: str | None = None
) -> tuple[Notation, np.ndarray] | None:
    """Return the notation of all texts and what they stand for, float64 `[n]`; None: they have none in common.

    Truth values are 0 and 1, dates are seconds since 1970, times are hours.

    Args:
        texts: the different values of a column, stripped.
        numbers_only: whether truth values, dates and times are left as they are, as for the target.
        form: the notation of numbers, as `form_of`; None: one of `SEPARATORS`.
    """
    numbers = functools.partial(_numbers, forms=SEPARATORS if form is None else (form,))
    readers = (numbers,) if numbers_only else (_truth, _date, _time, numbers)
    odd = [text for text in texts if number(text) is None]
    if not odd or all(map(NEGATIVE.fullmatch, texts)):  # (1), (2), (3) are no numbers
        return None
    for reader in readers:
        # One word among a million numbers shows at once.
        some = texts[:FIRST] if reader is _truth else [*odd[:FIRST], *odd[-FIRST:]]
        if reader(some) is not None and (read := reader(texts)) is not None:
            return read if abs(read[1]).max() <= LARGEST else None  # the value is named by line
    return None


def mostly(texts: Sequence[str]) -> tuple[Notation | None, list[str]]:
    """Return the notation of dates, times or numbers of more than half of the texts, and the other texts; None: there is none."""
    for reader in (_date, _time, functools.partial(_numbers, forms=SEPARATORS)):
        forms = {text: read[0].form for text in texts if (read := reader([text])) is not None}
        usual = Counter(forms.values()).most_common(1)
        # Of all that fit, 13/03/2021 tells the order of 03/04/2021; else those alone that are written alike.
        for fitting in [list(forms), [text for text in forms if forms[text] == usual[0][0]]] if usual else []:
            if len(fitting) > len(texts) / 2 and (read := reader(fitting)) is not None:
                known = set(fitting)
                return read[0], [text for text in texts if text not in known]
    return None, []


def read(text: str, notation: Notation) -> float | None:
    """Return what a text stands for in a notation that is known, or None; plain numbers and all truth values are read, too.

    Args:
        text: stripped.
        notation: of its column.
    """
    if notation.kind == "ordinal":
        levels = notation.levels
        return float(levels.index(text)) if text in levels else None
    if notation.kind == "truth":
        return next((float(pair.index(text.lower())) for pair in TRUTH if text.lower() in pair), number(text))
    if notation.kind == "date":
        match = DATE.fullmatch(text)
        try:
            return number(text) if match is None else _date_texts.seconds(match, notation.form)
        except ValueError:  # there is no such day, or the fields are in another order
            return None
    if notation.form in _clock_times.FORMS:
        value = _clock_times.hours(text, notation.form)
        return number(text) if value is None else value
    sign = notation.form[-1] if notation.form[-1] in f"%{CURRENCY}" else ""
    value = _read_number(_bare(text, sign), notation.form.removesuffix(sign))
    return number(text) if value is None else value


def form_of(decimal: str | None, thousands: str | None) -> str | None:
    """Return the notation of numbers with these separators, None standing for the point and for none; None: neither is set."""
    return f"1{thousands or ''}234{decimal or '.'}5" if thousands or decimal else None


def reader(decimal: str | None, thousands: str | None) -> Callable[[str], float | None]:
    """Return what reads numbers with these separators, and no others; see `form_of`."""
    form = form_of(decimal, thousands)
    return number if form is None else lambda text: _read_number(text.strip(), form)


def plain_numbers(texts: pa.ChunkedArray, form: str) -> pa.ChunkedArray:
    """Return numbers of a notation as Python writes them; other texts become no numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    thousands, decimal = _separators(form)
    plain = pc.replace_substring_regex(texts, thousands, "") if thousands else texts
    if decimal != ".":
        plain = pc.replace_substring(plain, decimal, ".")
    fits = pc.match_substring_regex(texts, f"^(?:{_number_in(form).pattern})$")
    return pc.if_else(fits, plain, pa.scalar("-", texts.type))


def _bare(text: str, sign: str) -> str:
    """Return a number without its sign, percent or a currency's, and with a hyphen for a minus or parentheses."""
    bare = text.replace(sign, "", 1).strip() if sign else text
    bare = f"-{match[1].strip()}" if (match := NEGATIVE.fullmatch(bare)) else bare
    return bare.replace(MINUS, "-")


def _read_number(text: str, form: str) -> float | None:
    """Return a number in the notation `form`, or None."""
    if _number_in(form).fullmatch(text) is None:
        return None
    thousands, decimal = _separators(form)
    return float((re.sub(thousands, "", text) if thousands else text).replace(decimal, "."))


def _separators(form: str) -> tuple[str, str]:
    """Return the pattern of the thousands separator, or "", and the decimal separator."""
    thousands = form[1:-5]
    return "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands), form[-2]


@functools.cache
def _number_in(form: str) -> re.Pattern:
    """Return the pattern of numbers in a notation; 0,530 has no thousands."""
    thousands, decimal = _separators(form)
    grouped = rf"[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|" if thousands else ""
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:(?:{grouped}\d+)(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def _truth(texts: Sequence[str]) -> tuple[Notation, np.ndarray] | None:
    import numpy as np

    lower = [text.lower() for text in texts]
    pair = next((pair for pair in TRUTH if set(pair) == set(lower)), None)
    if pair is None:
        return None
    return Notation("truth", "/".join(pair)), np.array([pair.index(text) for text in lower], "float64")


def _numbers(texts: Sequence[str], forms: Sequence[str]) -> tuple[Notation, np.ndarray] | None:
    import numpy as np

    signs = {sign for text in texts for sign in text if sign in f"%{CURRENCY}"}
    if len(signs) > 1 or (signs and not all(signs & set(text) for text in texts)):
        return None
    sign = "".join(signs)
    bare = [_bare(text, sign) for text in texts]
    for form in forms:
        numbers = [_read_number(text, form) for text in bare]
        if None not in numbers:
            return Notation("number", form + sign), np.array(numbers)
    return None


def _date(texts: Sequence[str]) -> tuple[Notation, np.ndarray] | None:
    import numpy as np

    matches = [DATE.fullmatch(text) for text in texts]
    if not all(matches) or (order := _date_texts.order(matches)) is None:
        return None
    try:
        seconds = np.array([_date_texts.seconds(match, order) for match in matches])
    except ValueError:  # there is no such day
        return None
    return Notation("date", order, _date_texts.clock(matches)), seconds


def _time(texts: Sequence[str]) -> tuple[Notation, np.ndarray] | None:
    import numpy as np

    read = _clock_times.read(texts)
    if read is None:
        return None
    form, hours = read
    return Notation("number", form, "durations" if max(hours) > _clock_times.DAY else ""), np.array(hours)
