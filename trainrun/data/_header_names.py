"""Names of a table's columns: those that cannot be used, messages on one that is not there, and overrides that name some."""

from __future__ import annotations

import itertools
import re
import shlex
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from trainrun.data._columns import number
from trainrun.data._faults import Fault
from trainrun.errors import did_you_mean, listed
from trainrun.util import look_alikes, typed_names

# Names that need no quotes in an override.
PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
# What to type for a CSV file without names.
NAMELESS = "data.header=false, and data.names=[…] or column_1, column_2 …"
# The columns in an override of `exclusion`, and the name of each.
EXCLUSION, NAME = re.compile(r"data\.exclude=\[([^\]]*)\]"), re.compile(r'[^,"]+')


def faults(header: Sequence[str]) -> list[Fault]:
    """Return what is wrong with the names: the same one twice, one that looks the same, empty ones."""
    faults: list[Fault] = []
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        faults.append(("path", f"columns of the same name: {', '.join(map(repr, twice))}. Rename them."))
    unnamed = [str(i) for i, name in enumerate(header, 1) if not name]
    if unnamed:
        faults.append(("path", f"columns without a name: {listed(unnamed)} of {len(header)}. Name them."))
    if (alike := look_alikes.pair(header)) is not None:
        message = f"columns {alike[0]!r} and {alike[1]!r}: {look_alikes.difference(*alike)}. Rename one."
        faults.append(("path", message))
    return faults


def seems_a_row(header: Sequence[str]) -> bool:
    """Return whether names of columns are values: numbers that do not ascend, as positions would, nor are years in descending order."""
    numbers = [value for name in header if (value := number(name)) is not None]
    if all(value % 1 == 0 for value in numbers) and numbers[:1] > numbers[-1:]:
        numbers.reverse()
    return any(after <= before for before, after in itertools.pairwise(numbers))


def _looks_like(name: str, text: str) -> bool:
    return look_alikes.appearance(name) == look_alikes.appearance(text)


def unknown(value: Any, header: Sequence[str]) -> str:
    """Return the message for a value that names no column."""
    text = typed_names.spellings(value)[0]
    near = did_you_mean(text, header)
    if (alike := look_alikes.pair([text, *(name for name in header if _looks_like(name, text))])) is not None:
        near = f" It has {alike[1]!r}: {look_alikes.difference(*alike)}. Rename that."
    quotes = f" A name that looks like a number or a truth value needs quotes: {typed_names.quoted(text)}."
    hint = "" if isinstance(value, str) else quotes
    return f"the file has no column {text!r}.{near} It has {listed(header) or 'no columns'}.{hint}"


def exclusion(names: Sequence[str]) -> str:
    """Return the override that leaves columns out, as typed in a shell."""
    return override("exclude", names)


def with_joined_exclusions(
    texts: Sequence[str], excluded: Sequence[str], names: Collection[str]
) -> list[str]:
    """Return messages, the last one that offers to leave columns out with an override that leaves out those of all messages.

    A second `data.exclude` takes the place of the first.

    Args:
        texts: the messages, with overrides of `exclusion`.
        excluded: columns that are left out already.
        names: columns that can be left out.
    """
    offers = [(i, offered) for i, text in enumerate(texts) for offered in EXCLUSION.findall(text)]
    columns = [name for _, offered in offers for name in NAME.findall(offered)]
    several = len({offered for _, offered in offers}) + bool(excluded) > 1
    if not (offers and several and {*names}.issuperset(columns)):  # a name has a bracket or a comma
        return list(texts)
    last, together = offers[-1][0], exclusion(list(dict.fromkeys([*excluded, *columns])))
    return [f"{text} All together: {together}." if i == last else text for i, text in enumerate(texts)]


def override(key: str, names: Sequence[str]) -> str:
    """Return the override of a list of columns, as typed in a shell."""
    plain = all(map(PLAIN.fullmatch, names))
    columns = ",".join(names if plain else map(typed_names.in_quotes, names))
    return f"data.{key}=[{columns}]" if plain else shlex.quote(f"data.{key}=[{columns}]")


def override_one(key: str, name: str) -> str:
    """Return the override of one column, as typed in a shell."""
    return (
        f"data.{key}={name}"
        if PLAIN.fullmatch(name)
        else shlex.quote(f"data.{key}={typed_names.in_quotes(name)}")
    )
