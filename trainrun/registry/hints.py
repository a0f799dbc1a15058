"""Type hints of arguments: whether a value fits one, and the expected values as a phrase."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from trainrun.util.arguments import Form, Range, Reference

Mark = TypeVar("Mark")
_LISTS = (list, tuple, set, Sequence)
KEYS = "keys with values, {key: value}"
_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    Mapping: KEYS,
    dict: KEYS,
}


def of_default(value: Any, keras: bool) -> Any:
    """Return the hint of an argument without an annotation, from its default.

    Args:
        value: the default.
        keras: it is an argument of a Keras class, which often takes several numbers where one is the default.
    """
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        number = int | float if isinstance(value, int) else float
        return number | Sequence[Any] if keras else number
    return Any


def alternatives(hint: Any) -> list[Any]:
    """Return the members of a union; of another hint, the hint itself."""
    if get_origin(hint) in (Union, types.UnionType):
        return [inside for member in get_args(hint) for inside in alternatives(member)]
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return [Annotated[(member, *marks)] for member in alternatives(base)]
    return [hint]


def mark(hint: Any, kind: type[Mark]) -> Mark | None:
    """Return the first annotation of a kind (`Reference`, `Form`) in a hint, or None."""
    for base, marks in map(_parts, alternatives(hint)):
        inside = (mark(a, kind) for a in get_args(base) if _is_list(base))
        if first := next(filter(None, (*(m for m in marks if isinstance(m, kind)), *inside)), None):
            return first
    return None


def takes(hint: Any) -> tuple[bool, bool]:
    """Return whether a hint allows one value, and whether it allows a list."""
    lists = [_is_list(base) for base, _ in map(_parts, alternatives(hint)) if base is not types.NoneType]
    return not all(lists), any(lists)


def takes_keys(hint: Any) -> bool:
    """Return whether a hint allows values by name."""
    return any((get_origin(base) or base) in (dict, Mapping) for base, _ in map(_parts, alternatives(hint)))


def allows(hint: Any, value: Any) -> bool:
    """Return whether a value of a config fits a hint; types that a config cannot hold allow everything."""
    return any(_fits(*_parts(member), value) for member in alternatives(hint))


def expects(hint: Any) -> str:
    """Return the values that a hint allows, as a phrase: `a number above 0, or null`."""
    members = [_parts(member) for member in alternatives(hint)]
    literals = [v for base, _ in members if get_origin(base) is Literal for v in get_args(base)]
    values = [v if isinstance(v, str) else shown(v) for v in literals]
    null = ["null"] if any(base is types.NoneType for base, _ in members) else []
    numbers = {base for base, _ in members}
    kinds = [
        f"{_word(base)}{_limits(marks)}"
        for base, marks in members
        if _word(base) and not (base is int and float in numbers)
    ]
    lists = [(base, marks) for base, marks in members if _is_list(base)]
    if kinds == [KEYS] and lists:
        text = f"a list, or {KEYS}"
    elif kinds:
        text = " or ".join(kinds) + (", or a list of such" if lists else "")
    elif lists:
        base, marks = lists[0]
        inside = [m for a in get_args(base)[:1] for m in map(_parts, alternatives(a)) if _word(m[0])]
        text = "a list" + "".join(f", each {_word(b)}{_limits([*m, *marks])}" for b, m in inside[:1])
    else:
        text, values = "one of " + ", ".join(values), []
    return text + (f", or {' or '.join([*values, *null])}" if values or null else "")


def described(hint: Any) -> str:
    """Return the allowed values for a table: `expects`, or the group of a reference; empty if everything is allowed."""
    if (reference := mark(hint, Reference)) is not None:
        return f"{'list of ' if takes(hint)[1] else ''}{reference.group}"
    if (form := mark(hint, Form)) is not None:
        return {
            "length": "length of training",
            "duration": "duration",
            "path": "path in the run's directory",
            "name": "list of text" if takes(hint)[1] else "text",
        }[form.name]
    return expects(hint) if not any(base is Any for base, _ in map(_parts, alternatives(hint))) else ""


def violation(hint: Any, value: Any, default: Any) -> str | None:
    """Return the message for a value that does not fit, or None. The default itself always fits."""
    if (value == default and type(value) is type(default)) or allows(hint, value):
        return None
    is_list = takes(hint)[1] and all(
        _is_list(base) or _word(base) == KEYS
        for base, _ in map(_parts, alternatives(hint))
        if base is not types.NoneType
    )
    way_out = f" Write [{value}]." if is_list and isinstance(value, str | int | float) else ""
    return f"expected {expects(hint)}, got {shown(value)}.{way_out}"


def whole(hint: Any, value: Any) -> Any:
    """Return a value with its whole floats as ints where the hint allows ints (`1e1` is 10); any other value as it is."""
    for base, _ in map(_parts, alternatives(hint)):
        if base is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if _is_list(base) and isinstance(value, list | tuple):
            inside = (get_args(base) or (Any,))[0]
            return type(value)(whole(inside, v) for v in value)
    return value


def shown(value: Any) -> str:
    """Return a value as it is typed in a config."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str | list | Mapping) else str(value)


def _parts(hint: Any) -> tuple[Any, list[Any]]:
    """Return the type itself and its annotations."""
    base, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return types.NoneType if base is None else base, marks


def _is_list(base: Any) -> bool:
    return (get_origin(base) or base) in _LISTS


def _word(base: Any) -> str:
    return _WORDS.get(get_origin(base) or base, "")


def _fits(base: Any, marks: Sequence[Any], value: Any) -> bool:
    if base is types.NoneType:
        return value is None
    if get_origin(base) is Literal:
        return any(value == v and isinstance(value, bool) == isinstance(v, bool) for v in get_args(base))
    if _is_list(base):
        inside = (get_args(base) or (Any,))[0]
        return isinstance(value, list | tuple) and all(
            allows(Annotated[(inside, *marks)] if marks else inside, v) for v in value
        )
    if base in (int, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        whole = base is float or (is_number and float(value).is_integer())
        return is_number and whole and all(_inside(r, value) for r in _ranges(marks))
    if base in (bool, str):
        return isinstance(value, base)
    if _word(base):
        return isinstance(value, Mapping)
    return True


def _ranges(marks: Sequence[Any]) -> Iterator[Range]:
    yield from (m for m in marks if isinstance(m, Range))


def _inside(limits: Range, value: float) -> bool:
    return (
        (limits.low is None or value >= limits.low)
        and (limits.high is None or value <= limits.high)
        and (limits.above is None or value > limits.above)
        and (limits.below is None or value < limits.below)
    )


def _limits(marks: Sequence[Any]) -> str:
    for r in _ranges(marks):
        low, high = r.above if r.low is None else r.low, r.below if r.high is None else r.high
        if low is not None and high is not None:
            return f" in {'(' if r.low is None else '['}{_number(low)}, {_number(high)}{')' if r.high is None else ']'}"
        if low is not None:
            return f" above {_number(low)}" if r.low is None else f" of at least {_number(low)}"
        if high is not None:
            return f" below {_number(high)}" if r.high is None else f" of at most {_number(high)}"
    return ""


def _number(value: float) -> str:
    return f"{int(value)}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"
