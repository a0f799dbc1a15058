"""Conditions of a search space: a key with `when: 'optimizer=sgd'` is varied only under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainrun.errors import Problem, did_you_mean
from trainrun.sweep.space.search_space import Choices, Condition, Dimension, bare

Parse = Callable[[Any], Any]


def read(where: str, typed: Any, parse: Parse) -> tuple[tuple[Condition, ...], list[Problem]]:
    """Return the conditions, and their problems.

    Args:
        where: their key, for the message.
        typed: ``optimizer=sgd``, ``optimizer=sgd,radam``, or a list of such, which all have to hold; None: nothing.
        parse: reads an override by Hydra's grammar; returns None for other texts.
    """
    collected, faults = [], []
    for text in typed if isinstance(typed, list) else [] if typed is None else [typed]:
        override = parse(text)
        if override is None or override.is_interval_sweep():
            example = "'optimizer=sgd' or 'model.units=8,16'"
            faults.append(Problem(where, f"expected a key and its values, as {example}, got {text!r}."))
            continue
        key, _, value = text.partition("=")
        values = [*override.sweep_string_iterator()] if override.is_sweep_override() else [value]
        collected.append(Condition(bare(key.strip()), tuple(values)))
    return tuple(collected), faults


def settle(
    dimensions: Iterable[Dimension], fixed: Mapping[str, str], parse: Parse
) -> tuple[list[Dimension], list[Problem]]:
    """Return the dimensions, each after those that its conditions name; and the problems of the conditions.

    Args:
        dimensions: in the order of their definition.
        fixed: values of the keys that are not varied; an override may fix a key that a YAML's condition names.
        parse: reads an override by Hydra's grammar; returns None for other texts.
    """
    dimensions = list(dimensions)
    values: dict[str, list[str] | None] = {key: [text] for key, text in fixed.items()}
    for one in dimensions:
        for i, key in enumerate(one.keys):
            values[bare(key)] = [v[i] for v in one.values] if isinstance(one, Choices) else None
    varied = {bare(k) for d in dimensions for k in d.keys}
    collected, faults = [], []
    for one in dimensions:
        others = sorted(varied - {bare(k) for k in one.keys})
        when = []
        for condition in one.when:
            fault = _fault(condition, values, others, varied, parse)
            if fault is not None:
                faults.append(Problem(f"sweep.space.{one.keys[0]}.when", fault))
            else:
                meant = {_plain(parse, w) for w in condition.values}
                same = [v for v in values[condition.key] if _plain(parse, v) in meant]
                when.append(Condition(condition.key, tuple(same)))  # as the key has them: 0.10 is 0.1
        collected.append(replace(one, when=tuple(when)))
    return _sorted(collected, faults), faults


def _fault(
    condition: Condition,
    values: Mapping[str, list[str] | None],
    others: Sequence[str],
    varied: set[str],
    parse: Parse,
) -> str | None:
    if condition.key not in values:
        hint = f"A condition names a key of the sweep: {', '.join(others) or 'there is no other'}."
        return f"{condition.key} is not varied.{did_you_mean(condition.key, others)} {hint}"
    possible = values[condition.key]
    if possible is None:
        return f"{condition.key} is any number of an interval. Name a key that has choices."
    possible_values = {_plain(parse, v) for v in possible}
    unknown = [w for w in condition.values if _plain(parse, w) not in possible_values]
    # What is typed may leave out values that the YAML's condition names; that none is ever there is a slip.
    if condition.key in varied and len(unknown) == len(condition.values):
        return (
            f"{condition.key} is never {unknown[0]}.{did_you_mean(unknown[0], possible)} "
            f"It is one of {', '.join(possible)}."
        )
    return None


def _sorted(dimensions: Sequence[Dimension], faults: list[Problem]) -> list[Dimension]:
    waiting, collected = list(dimensions), []
    keys = {bare(k) for d in waiting for k in d.keys}
    done: set[str] = set()
    while waiting:
        ready = next((d for d in waiting if all(c.key in done or c.key not in keys for c in d.when)), None)
        if ready is None:
            names = " and ".join(bare(d.keys[0]) for d in waiting)
            what = "a condition of itself" if len(waiting) == 1 else "conditions of each other"
            faults.append(Problem("sweep.space", f"{names}: {what}. Take one of them out."))
            return collected
        waiting.remove(ready)
        collected.append(ready)
        done |= {bare(k) for k in ready.keys}
    return collected


def _plain(parse: Parse, text: str) -> str:
    """Return a typed value in a normal form: 0.10 is 0.1, and 'sgd' in quotes is sgd."""
    override = parse(f"x={text}")
    return repr(text if override is None else override.value())
