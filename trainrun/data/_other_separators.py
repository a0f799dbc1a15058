"""Numbers that are no numbers by the separators that were set, `data.decimal` and `data.thousands`, but by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainrun.data import _notations
from trainrun.data._columns import number, shortened
from trainrun.data._csv_format import THOUSANDS, WORDS
from trainrun.data._table import Column
from trainrun.data._table_settings import TableSettings
from trainrun.errors import listed

# Values of a column that are looked at.
LOOKED_AT = 1000
# Columns that a notice names.
NAMED = 10
PLAIN = "1234.5"
# Character -> its word, as it is typed.
TYPED = {c: word for word, c in WORDS.items() if word in ("comma", "point", "blank", "apostrophe")}


def columns(columns: Mapping[str, Column], settings: TableSettings) -> dict[str, str]:
    """Return the columns that became categories or classes, and the settings with which their values are numbers.

    Args:
        columns: some of a table.
        settings: of the table; without separators there are none, as any notation is understood.
    """
    named = [
        n for n, c in columns.items() if c.numbers is None and not c.is_text and settings.forced(n) is None
    ]
    found = {name: way_out(columns[name].texts, settings) for name in named}
    return {name: typed for name, typed in found.items() if typed}


def way_out(texts: Sequence[str], settings: TableSettings) -> str:
    """Return the separators with which all of some texts are numbers, as typed; "": there are none, or none were set."""
    if settings.number_form is None or not texts:
        return ""
    sample = [text.strip() for text in texts[:: -(-len(texts) // LOOKED_AT)]]
    own_decimal = settings.number_form[-2]
    forms = [
        _notations.form_of(own_decimal, thousands) for thousands in THOUSANDS if thousands != own_decimal
    ]
    form = next((form for form in [*forms, PLAIN, *_notations.SEPARATORS] if _fits(sample, form)), None)
    if form is None:
        return ""
    thousands, decimal = form[1:-5], form[-2]
    used = thousands and any(thousands in text for text in sample)
    return f"data.decimal={TYPED[decimal]}" + (f" data.thousands={TYPED[thousands]}" if used else "")


def _fits(texts: Sequence[str], form: str) -> bool:
    if form == PLAIN and all(number(text) is not None for text in texts):
        return True
    return _notations.understand(texts, numbers_only=True, form=form) is not None


def notices(columns: Mapping[str, Column], found: Mapping[str, str]) -> list[str]:
    """Return a notice of the columns, if there are any.

    Args:
        columns: of the table.
        found: of `columns`.
    """
    if not found:
        return []
    # One that groups thousands knows the decimal separator, too.
    typed = max(found.values(), key=len)
    shown = listed([f"{name} ({shortened(columns[name].texts[-1])!r})" for name in found], NAMED)
    return [
        f"numbers that are read as categories or classes, since data.decimal or data.thousands says that they are none: {shown}. Take {typed}."
    ]
