"""What a column of a CSV file is, by its values: missing or there, numbers or text, classes or a quantity.

Both readers go by these rules: the one that reads line by line (`_lines.py`) and the one that reads all at once
(`_table.py`).
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Fields that say that there is no value unless `data.na_values` names others, after stripping and in lower case. An empty
# field always does.
MISSING = ("na", "n/a", "nan", "null", "none", "?")
# A column of whole numbers with at most so many values is a class, not a quantity.
CLASSES_UP_TO = 20
# The largest number of float32, in which models compute; what is larger would become infinity.
LARGEST = 3.4e38
POLICIES = ("error", "drop", "mean_or_mode", "median_or_mode")
TASKS = ("auto", "classification", "regression")


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


@dataclass(frozen=True)
class Wanted:
    """Which columns of the file are wanted, and how they are to be read; the arguments of `data=csv`."""

    target: str | None
    features: Sequence[str] | None = None
    categorical: Sequence[str] | None = None
    weight: str | None = None
    missing: str = "error"
    task: str = "auto"
    na_values: Sequence[str] | None = None

    def __post_init__(self) -> None:
        # A column named 2019 comes from the command line as a number.
        for name in ("target", "weight"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else str(value))
        for name in ("features", "categorical", "na_values"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and not isinstance(value, str):
                object.__setattr__(self, name, [str(v) for v in value])

    @functools.cached_property
    def missing_words(self) -> frozenset[str]:
        """The texts, in lower case, that stand for a missing value."""
        words = MISSING if self.na_values is None else self.na_values
        return frozenset({"", *(word.strip().lower() for word in words)})

    def inputs(self, header: Sequence[str]) -> list[str]:
        """Return the feature columns: those named, or all but target and weight."""
        if self.features is not None:
            return list(self.features)
        return [c for c in header if c not in (self.target, self.weight)]

    def used(self, header: Sequence[str]) -> list[str]:
        """Return all columns that are read, each once: a weight may be a feature, too."""
        return list(
            dict.fromkeys([*self.inputs(header), self.target, *([self.weight] if self.weight else [])])
        )

    def forced(self, column: str) -> bool | None:
        """Return True if the column must hold numbers, False if any text will do, None to tell by its values."""
        if column == self.weight:
            return True
        if column == self.target:
            return {"regression": True, "classification": False}.get(self.task)
        return None if self.categorical is None else column not in self.categorical


def classes_of(values: dict[str, int], numeric: bool, task: str) -> tuple[bool, dict[str, int]]:
    """Return whether the target is a class, and the classes in the order of their ids, with their counts.

    A target of text is a class; one of at most `CLASSES_UP_TO` different whole numbers too; another is a quantity.

    Args:
        values: the target's values as text, with their counts.
        numeric: whether they are numbers.
        task: ``auto``, ``classification`` or ``regression``.
    """
    if task == "regression":
        return False, {}
    named: Counter[str] = Counter()
    for text, count in values.items():
        named[class_name(text)] += count
    numbers = {name: number(name) for name in named}
    all_numbers = all(v is not None for v in numbers.values())
    if task == "auto" and numeric:
        whole = all_numbers and all(float(v).is_integer() for v in numbers.values())
        if not whole or len(named) > CLASSES_UP_TO:
            return False, {}
    order = sorted(named, key=numbers.get) if all_numbers else sorted(named)
    return True, {name: named[name] for name in order}


def class_name(text: str) -> str:
    """Return the name of a class as written in a field: 1, 1.0 and 01 are one class."""
    value = number(text)
    return str(int(value)) if value is not None and value.is_integer() else text


def one_class(name: str, classes: Sequence[str] | dict[str, int]) -> str:
    """Say that a target has one value only."""
    return f"column {name} has one value only, {', '.join(classes)!r}; there is nothing to tell apart."


# What to do about a text that counts as missing and is not.
OWN_VALUE = " If that is a value of its own: data.na_values=[]."


def written_out(words: Mapping[str, int]) -> str:
    """Return which texts stand for missing values; nothing if the fields are empty."""
    texts = [f"{text!r} {f'{count} times' if count > 1 else 'once'}" for text, count in words.items() if text]
    return f" ({', '.join(texts)})" if texts else ""
