"""Names of the user's data as typed: a column `2019_01` arrives as the number 201901, `yes` as true; here it is found again."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from trainrun.util import decimal_digits

# In YAML, besides true and false.
TRUTH = {"yes": True, "on": True, "no": False, "off": False}
INTEGER = re.compile(r"[+-]?(0|[1-9](_?[0-9])*)")
FLOAT = re.compile(r"[+-]?([0-9_]*\.[0-9_]*|[0-9_.]+e[+-]?[0-9_]+|inf|nan)")


def resolve(value: Any, names: Sequence[str]) -> str | None:
    """Return the name that a value stands for, or None.

    Args:
        value: as the command line or a YAML file hands it over: a text, or what it took the text for.
        names: the names that there are.

    Raises:
        ValueError: several names are read as that value.
    """
    if isinstance(value, str):
        if value in names:
            return value
        alike = [name for name in names if _normal(name) == _normal(value)]
        return alike[0] if len(alike) == 1 else None
    typed = [name for name in names if any(_same(value, v) for v in _override_values(name))]
    if len(typed) > 1:
        raise ValueError(
            f"{' and '.join(map(repr, typed))} are both read as {value!r} when typed without quotes. "
            f"Quote the one that is meant: {quoted(typed[0])}."
        )
    typed = typed or [name for name in names if any(_same(value, v) for v in _yaml_values(name))]
    return typed[0] if len(typed) == 1 else None


def quoted(name: str) -> str:
    """Return a name as the command line takes it for text, whatever it looks like."""
    return shlex.quote(in_quotes(name))


def in_quotes(name: str) -> str:
    """Return a name in double quotes, as Hydra and OmegaConf read it."""
    escaped = re.sub(r'(\\*)("|$)', lambda match: 2 * match[1] + (match[2] and '\\"'), name)
    return '"' + escaped.replace("${", "\\${") + '"'


def spellings(value: Any) -> list[str]:
    """Return the texts that are typed so that `value` arrives; for a text, itself."""
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return [str(value).lower(), *(word for word, truth in TRUTH.items() if truth is value)]
    if isinstance(value, float):
        return [repr(value), f"{value:g}"]
    return [str(value)]


def missing_texts(value: Any) -> list[str]:
    """Return the texts that a value of `data.na_values` is: its spellings, of a number also with a point, -999.0, as files have it."""
    texts = spellings(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return texts
    with_point = (f"{value:.{decimals}f}" for decimals in range(4))
    return list(dict.fromkeys([*texts, *(text for text in with_point if float(text) == value)]))


def _normal(name: str) -> str:
    """Return a name with its accents composed: é is one letter to the eye and may be two in a file."""
    return unicodedata.normalize("NFC", name)


def _same(value: Any, reading: Any) -> bool:
    # repr: NaN is itself, and 1 is neither 1.0 nor true.
    return type(value) is type(reading) and repr(value) == repr(reading)


def _override_values(text: str) -> Iterator[Any]:
    """Yield what the override grammar takes a text for, where that is no text."""
    word = text.lower()
    if word == "null":
        yield None
    elif word in ("true", "false"):
        yield word == "true"
    elif INTEGER.fullmatch(word):
        yield int(word)
    elif FLOAT.fullmatch(word):
        yield from _float(word)


def _yaml_values(text: str) -> Iterator[Any]:
    """Yield what YAML takes a text for beyond that: other bases, leading zeros, hours and minutes."""
    word = text.lower().replace("_", "")
    if word == "~":
        yield None
    if word in TRUTH:
        yield TRUTH[word]
    for base in (0, 8, 10):
        try:
            yield int(word, base)
        except ValueError:
            continue
    parts = [decimal_digits.number(part) for part in word.split(":")]
    if len(parts) > 1 and None not in parts:
        total = 0
        for part in parts:
            total = total * 60 + part
        yield total
    yield from _float(word)


def _float(word: str) -> Iterator[float]:
    try:
        yield float(word)
    except ValueError:
        return
