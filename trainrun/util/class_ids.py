"""Class ids of the keys of `trainer.class_weight`, which are names or ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainrun.util import decimal_digits, typed_names


def of(label: Any, names: Sequence[str]) -> int | None:
    """Return the id of the class that a label names, or None if there is none.

    Names take precedence: of classes named 1, 2 and 3, whose ids are 0, 1 and 2, `1` is the first.

    Args:
        label: a class's name, also one that arrives as what it was read as (true), or an id as a number or its digits.
        names: the classes' names, in the order of their ids.
    """
    text = str(label)
    if text in names:
        return list(names).index(text)
    if (number := decimal_digits.number(text)) is not None:
        return number if number < len(names) else None
    try:
        name = typed_names.resolve(label, names)
    except ValueError:
        return None
    return None if name is None else list(names).index(name)
