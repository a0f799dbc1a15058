"""Rules for table values: which texts are missing values or numbers, and which columns are numeric or class labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

# Texts that stand for a missing value unless `data.na_values` names others, stripped and in lower case. An empty field always
# does.
MISSING = (
    "na", "n/a", "nan", "null", "none", "?", "<na>",
    "#n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!",  # a spreadsheet's
)  # fmt: skip
# A target of whole numbers with at most this many distinct values is a class label, otherwise a quantity.
CLASSES_UP_TO = 20
# The largest float32, the type that models compute in; larger values would become infinity.
LARGEST = 3.4e38
POLICIES = ("auto", "error", "drop", "mean_or_mode", "median_or_mode")
TASKS = ("auto", "classification", "regression")
MULTILABEL = "multilabel"  # task of tables: the targets are 0/1 columns, labels of one output
FORMATS = ("auto", "plain")
# Task of a column of paths, whose files hold the labels; no setting of users.
PATHS = "paths"
# Transforms of a real target by its logarithm -> what is added before.
LOGS = {"log": 0.0, "log1p": 1.0}
TRANSFORMS = ("auto", "none", *LOGS)
# The value of `data.positive` for the class with fewer examples.
RARER = "rarer"
# Two classes whose names say which one is positive, in lower case.
CONVENTIONAL = (("0", "1"), ("false", "true"))
# A whole number as pandas writes it in a column with missing values: 1.0.
WHOLE = re.compile(r"([+-]?\d+)\.0*")
# Characters of a value that a message shows.
SHOWN = 60


def number(text: str) -> float | None:
    """Return a field as a finite number, or None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a number; no other program does.
    return value if math.isfinite(value) and "_" not in text else None


def is_numeric(numbers: int, others: int) -> bool:
    """Return whether a column is numeric: more than half of its values are numbers; the others are then faults."""
    return numbers > others


def class_names(texts: Sequence[str]) -> list[str]:
    """Return the class name of each label: its unchanged text, so that long ids, or 7 and 007, stay distinct.

    If all labels are whole numbers, 1.0 becomes 1: pandas writes columns with missing values so.
    """
    numbers = [number(text) for text in texts]
    if not all(value is not None and value.is_integer() for value in numbers):
        return list(texts)
    return [match[1] if (match := WHOLE.fullmatch(text)) else text for text in texts]


def class_order(names: Sequence[str]) -> list[str]:
    """Return the classes sorted in the order of their ids: numerically if all are numbers, else alphabetically."""
    if all(number(name) is not None for name in names):
        return sorted(names, key=lambda name: (Decimal(name), name))
    return sorted(names)


def same_number(names: Sequence[str]) -> list[str]:
    """Return the first group of classes that are different spellings of one number, or an empty list."""
    spellings: dict[Decimal, list[str]] = {}
    for name in names:
        if number(name) is not None:
            spellings.setdefault(Decimal(name), []).append(name)
    return next((written for written in spellings.values() if len(written) > 1), [])


def number_text(value: float) -> str:
    """Return a number as its file has it, of up to 15 digits; one with more, as conversion leaves (hours, float32), to six."""
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    text = f"{value:.15g}"
    return text if float(text) == value else f"{value:.6g}"


def shortened(text: str, length: int = SHOWN) -> str:
    """Return a value for a message, truncated if it is long."""
    return text if len(text) <= length else text[: length - 1] + "…"


# Advice for a text that counts as missing although it is a category.
OWN_VALUE = " If that is a value of its own: data.na_values=[]."


def missing_words(words: Mapping[str, int]) -> str:
    """Return the texts that stand for missing values with their counts, in parentheses; "" if all are empty fields."""
    texts = [f"{text!r} {f'{count} times' if count > 1 else 'once'}" for text, count in words.items() if text]
    return f" ({', '.join(texts)})" if texts else ""
