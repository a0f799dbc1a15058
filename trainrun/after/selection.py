"""Recorded runs selected by a condition, such as ``val_auc > 0.9 and data=csv``: its grammar and its meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, UserError

EXAMPLE = "val_auc > 0.9 and data=csv"
OPTION = "--where"
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[()])|(?P<operator><=|>=|==|!=|=|<|>|~)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>(?:\[[^\]]*\]|[^\s()<>=!~"'])+))"""
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_JOINTS = ("and", "or", "not")
# Brackets and `not` within each other.
MAX_DEPTH = 50
# The fact whose text, 2026-11-28 13:00:00, sorts by time.
TIME = "started"

Facts = Mapping[str, Any]


class Condition:
    """A condition on the facts of a run, which is parsed and never executed.

    ``NAME OPERATOR VALUE``, with ``= == != < <= > >=`` and ``~`` (contains), joined by ``and``, ``or``, ``not`` and brackets. Texts
    are compared without regard to case and spaces. A run that lacks what is named does not meet the comparison.

    Args:
        text: as typed.

    Attributes:
        names: that it compares, in the order of their appearance.

    Raises:
        UserError: it cannot be parsed.
    """

    def __init__(self, text: str):
        self.names: list[str] = []
        self._tokens, self._at, self._depth = list(_tokens(text)), 0, 0
        self._meets = self._either()
        if self._at < len(self._tokens):
            raise _unreadable(f"expected `and` or `or`, got {self._tokens[self._at][1]!r}")

    def __call__(self, facts: Facts) -> bool:
        """Return whether a run meets the condition.

        Args:
            facts: name -> value, of the run.
        """
        return self._meets(facts)

    def _either(self) -> Callable[[Facts], bool]:
        parts = [self._all()]
        while self._skip("word", "or"):
            parts.append(self._all())
        return lambda facts: any(part(facts) for part in parts)

    def _all(self) -> Callable[[Facts], bool]:
        parts = [self._one()]
        while self._skip("word", "and"):
            parts.append(self._one())
        return lambda facts: all(part(facts) for part in parts)

    def _one(self) -> Callable[[Facts], bool]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _unreadable(f"more than {MAX_DEPTH} brackets and `not` within each other")
        try:
            if self._skip("word", "not"):
                negated = self._one()
                return lambda facts: not negated(facts)
            if self._skip("mark", "("):
                inner = self._either()
                if not self._skip("mark", ")"):
                    raise _unreadable("a bracket is not closed")
                return inner
        finally:
            self._depth -= 1
        name = self._take(("word",), "a name")
        operator = self._take(("operator",), f"an operator after {name}")
        value = self._take(("word", "text"), f"a value after {name} {operator}")
        if operator in _ORDERS and number(value) is None and name != TIME:
            raise _unreadable(f"expected a number after {name} {operator}, got {value!r}")
        self.names.append(name)
        if name == TIME and operator in _ORDERS:
            return lambda facts: name in facts and _ORDERS[operator](facts[name], value)
        return lambda facts: name in facts and _compared(facts[name], operator, value)

    def _skip(self, kind: str, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (kind, text):
            self._at += 1
            return True
        return False

    def _take(self, kinds: tuple[str, ...], expected: str) -> str:
        if self._at >= len(self._tokens):
            raise _unreadable(f"it ends where {expected} is expected")
        kind, text = self._tokens[self._at]
        if kind not in kinds or (kind == "word" and text in _JOINTS):
            raise _unreadable(f"expected {expected}, got {text!r}")
        self._at += 1
        return text


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(f"{text[at:].strip()!r} cannot be parsed")
        at = match.end()
        kind = match.lastgroup or ""
        yield "text" if kind in ("double", "single") else kind, match[kind]


def _unreadable(reason: str) -> UserError:
    return UserError(Problem(OPTION, f"{reason}. Expected a condition such as {EXAMPLE!r}."))


def number(value: Any) -> float | None:
    """Return a value, recorded or typed, as a number; None if it is none."""
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _compared(value: Any, operator: str, typed: str) -> bool:
    a, b = number(value), number(typed)
    numeric = a is not None and b is not None
    if operator == "~":
        return _plain(typed) in _plain(value)
    if operator in _ORDERS:
        return numeric and _ORDERS[operator](a, b)
    return (a == b if numeric else _plain(value) == _plain(typed)) == (operator != "!=")


def _plain(value: Any) -> str:
    """Return a value as the text that is compared: lists without spaces, None as ``null``."""
    return "null" if value is None else str(value).lower().replace(" ", "").replace("'", "")
