"""What a value of a table is: missing, a number or a text; and when a column counts as numbers or as classes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

# Fields that say that there is no value unless `data.na_values` names others, after stripping and in lower case. An empty
# field always does.
MISSING = ("na", "n/a", "nan", "null", "none", "?")
# A column of whole numbers with at most so many values is a class, not a quantity.
CLASSES_UP_TO = 20
# The largest number of float32, in which models compute; what is larger would become infinity.
LARGEST = 3.4e38
POLICIES = ("auto", "error", "drop", "mean_or_mode", "median_or_mode")
TASKS = ("auto", "classification", "regression")
FORMATS = ("auto", "plain")
# The value of `data.positive` for the class with fewer examples.
RARER = "rarer"
# Two classes whose names say which one is positive, in lower case.
CONVENTIONAL = (("0", "1"), ("false", "true"))
# A whole number as tables with gaps write it: 1.0.
WHOLE = re.compile(r"([+-]?\d+)\.0*")
# Letters of a value that a message shows.
SHOWN = 60


def number(text: str) -> float | None:
    """Return the finite number that a field holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a number; no other program does.
    return value if math.isfinite(value) and "_" not in text else None


def is_numeric(numbers: int, others: int) -> bool:
    """Return whether a column counts as numbers: more than half of its values are; the others are then faults."""
    return numbers > others


def class_names(texts: Sequence[str]) -> list[str]:
    """Return the name of each label's class: its text as it stands, so that ids of any length and 007 stay apart.

    Where all labels are whole numbers, 1.0 is 1: a column with gaps is often written so.
    """
    numbers = [number(text) for text in texts]
    if not all(value is not None and value.is_integer() for value in numbers):
        return list(texts)
    return [match[1] if (match := WHOLE.fullmatch(text)) else text for text in texts]


def class_order(names: Sequence[str]) -> list[str]:
    """Return the classes in the order of their ids: by their numbers if all are such, else by the alphabet."""
    if all(number(name) is not None for name in names):
        return sorted(names, key=lambda name: (Decimal(name), name))
    return sorted(names)


def same_number(names: Sequence[str]) -> list[str]:
    """Return the first classes that are the same number written in several ways, or an empty list."""
    spellings: dict[Decimal, list[str]] = {}
    for name in names:
        if number(name) is not None:
            spellings.setdefault(Decimal(name), []).append(name)
    return next((written for written in spellings.values() if len(written) > 1), [])


def shortened(text: str) -> str:
    """Return a value as a message shows it: cut if it is long."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


# What to do about a text that counts as missing and is not.
OWN_VALUE = " If that is a value of its own: data.na_values=[]."


def missing_words(words: Mapping[str, int]) -> str:
    """Return which texts stand for missing values, in brackets; nothing if the fields are empty."""
    texts = [f"{text!r} {f'{count} times' if count > 1 else 'once'}" for text, count in words.items() if text]
    return f" ({', '.join(texts)})" if texts else ""
