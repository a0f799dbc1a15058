"""Search spaces from overrides and from `sweep.space`: Hydra's grammar, conditions, keys that vary together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainrun.compat import hydra_private
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.hydra_bridge import override_grammar
from trainrun.sweep.space import conditions
from trainrun.sweep.space.search_space import Choices, Condition, Dimension, Interval, Space, bare

TAGS = ("log",)
# Keys of an entry of `sweep.space`.
ENTRY = ("space", "when")
# Keys that all trials of a sweep have in common; several objectives are a list.
COMMON = ("seeds", "plugins", "sweep", "hydra")


@dataclass
class _Reading:
    """The state of reading.

    Args:
        loader: Hydra's config loader, which expands globs.
    """

    loader: Any
    fixed: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    dimensions: dict[str, Dimension] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def fault(self, key: str, message: str) -> None:
        self.problems.append(Problem(key, message))

    def parse(self, text: str, place: str) -> Any:
        """Return an override as Hydra's parser reads it, or None with the reason in `problems`."""
        try:
            return override_grammar.parse(text, self.loader)
        except UserError as error:
            self.fault(place, error.problems[0].message)
            return None


def read(
    overrides: Sequence[str],
    space: Any = None,
    zipped: Sequence[Any] | None = None,
    loader: Any = None,
) -> tuple[Space, list[Problem]]:
    """Return the search space of a sweep, and the problems of its notation.

    Args:
        overrides: as typed, without those of Hydra's own node.
        space: `sweep.space` of the config; overrides take precedence.
        zipped: `sweep.zip` of the config: keys, or several lists of them.
        loader: Hydra's config loader, which expands globs.
    """
    reading = _Reading(loader)
    for text in overrides:
        _typed(reading, text)
    typed = {bare(key) for key in reading.order}
    if not isinstance(space or {}, Mapping):
        reading.fault(
            "sweep.space", f"expected keys with their values, got {space!r}. Write {{optimizer: 'adam,sgd'}}."
        )
        space = {}
    for key, entry in (space or {}).items():
        if bare(str(key)) not in typed:
            _entry(reading, str(key), entry)
    _zip(reading, zipped or [])
    dimensions, faults = conditions.settle(
        reading.dimensions.values(), reading.values, override_grammar.parse_or_none
    )
    search_space = Space(reading.fixed, tuple(dimensions), tuple(reading.order), reading.values)
    return search_space, list(dict.fromkeys([*reading.problems, *faults]))


def _typed(reading: _Reading, text: str) -> None:
    override = reading.parse(text, text)
    if override is None:
        return
    key = override.get_key_element()
    if key in reading.order:  # the later one counts
        reading.order.remove(key)
        reading.fixed.pop(key, None)
        reading.dimensions.pop(key, None)
    reading.order.append(key)
    if override.is_sweep_override():
        _swept(reading, key, override, (), bare(key))
    else:
        reading.fixed[key] = text
        reading.values[bare(key)] = text.partition("=")[2]


def _entry(reading: _Reading, key: str, entry: Any) -> None:
    """Read one key of `sweep.space`."""
    where, when = f"sweep.space.{key}", ()
    if isinstance(entry, Mapping):
        if unknown := [k for k in entry if k not in ENTRY]:
            inside = f"{key}.{unknown[0]}"
            hint = did_you_mean(str(unknown[0]), ENTRY) or f" A key inside is written with dots: {inside}."
            return reading.fault(where, f"no such key as {unknown[0]!r}; it takes {', '.join(ENTRY)}.{hint}")
        when, faults = conditions.read(f"{where}.when", entry.get("when"), override_grammar.parse_or_none)
        reading.problems += faults
        if "space" not in entry:
            return reading.fault(where, "it has no values. Write space: 'interval(0, 1)' or 'a, b'.")
        entry = entry["space"]
    if isinstance(entry, list):
        if not entry:
            return reading.fault(where, "there is no value in []. Write one at least.")
        text = f"{key}=choice({','.join(map(_text, entry))})"
    else:
        text = f"{key}={entry if isinstance(entry, str) else _text(entry)}"
    override = reading.parse(text, where)
    if override is None:
        return None
    key = override.get_key_element()
    reading.order.append(key)
    if override.is_sweep_override():
        return _swept(reading, key, override, when, where)
    if when:  # one value, under a condition
        reading.dimensions[key] = Choices((key,), ((text.partition("=")[2],),), when)
    else:
        reading.fixed[key] = text
        reading.values[bare(key)] = text.partition("=")[2]
    return None


def _swept(reading: _Reading, key: str, override: Any, when: tuple[Condition, ...], where: str) -> None:
    """Read a key's values, or record their problem."""
    if bare(key).partition(".")[0].partition("/")[0] in COMMON:
        values = str(override.input_line).partition("=")[2]
        several = (
            f" Several objectives are a list: {bare(key)}=[{values}]."
            if bare(key) == "sweep.objective"
            else ""
        )
        return reading.fault(where, f"it is the same for all trials of a sweep, got {values}.{several}")
    value, tags = override.value(), sorted(getattr(override.value(), "tags", ()))
    if unknown := [t for t in tags if t not in TAGS]:
        return reading.fault(
            where, f"there is no tag {unknown[0]!r}.{did_you_mean(unknown[0], TAGS, 0.4)} It is tag(log, …)."
        )
    if override.is_interval_sweep():
        return _interval(reading, key, value, when, where)
    try:
        values = tuple((text,) for text in override.sweep_string_iterator())
    except Exception as error:  # a step of zero, a glob of an unknown group
        return reading.fault(where, f"its values cannot be counted: {str(error).splitlines()[0]}.")
    if not values:
        return reading.fault(where, f"there is no value in {str(override.input_line).partition('=')[2]}.")
    steps = None
    if override.is_range_sweep() and not value.shuffle and len(values) > 1:
        steps = (float(values[0][0]), float(values[-1][0]), float(value.step))
        if steps[2] < 0:
            steps = (steps[1], steps[0], -steps[2])
    if tags:
        ends = f"{steps[0]:g}, {steps[1]:g}" if steps else "1, 64"
        return reading.fault(where, f"log goes with an interval: tag(log, int(interval({ends}))).")
    reading.dimensions[key] = Choices((key,), values, when, steps)
    return None


def _interval(reading: _Reading, key: str, value: Any, when: tuple[Condition, ...], where: str) -> None:
    low, high, log = value.start, value.end, "log" in value.tags
    interval = f"interval({low:g}, {high:g})"
    if not (math.isfinite(low) and math.isfinite(high)):
        return reading.fault(where, f"expected two numbers, got {interval}.")
    if low >= high:
        return reading.fault(
            where,
            f"the lower end comes first, and the two differ: got {interval}. Write interval({high:g}, {low:g})."
            if low > high
            else f"the two ends of {interval} are the same. Write {bare(key)}={low:g}.",
        )
    if log and low <= 0:
        return reading.fault(
            where,
            f"a logarithm needs a lower end above 0, got {interval}. Write tag(log, interval({high / 1e4:g}, {high:g})).",
        )
    whole = isinstance(low, int) and isinstance(high, int)
    reading.dimensions[key] = Interval(key, low, high, log, whole, when)
    return None


def _text(value: Any) -> str:
    """Return a value of a YAML file as it is typed in an override."""
    return hydra_private.value_as_typed(value)


def _zip(reading: _Reading, zipped: Sequence[Any]) -> None:
    """Combine keys that vary together into one dimension."""
    groups = [zipped] if zipped and not any(isinstance(g, list | tuple) for g in zipped) else zipped
    taken: set[str] = set()
    for group in groups:
        keys = _members(reading, group, taken)
        if keys is None:
            continue
        taken |= {bare(k) for k in keys}
        parts = [reading.dimensions[k] for k in keys]
        lengths = [len(p.values) for p in parts]
        if len(set(lengths)) > 1:
            first, other = 0, next(i for i, n in enumerate(lengths) if n != lengths[0])
            reading.fault(
                "sweep.zip",
                f"keys that vary together have as many values each: {bare(keys[first])} has {lengths[first]}, "
                f"{bare(keys[other])} has {lengths[other]}.",
            )
            continue
        conditions = {p.when for p in parts if p.when}
        if len(conditions) > 1:
            reading.fault(
                "sweep.zip", f"{' and '.join(map(bare, keys))} vary together, and have different conditions."
            )
            continue
        values = tuple(tuple(p.values[i][0] for p in parts) for i in range(lengths[0]))
        together = Choices(tuple(keys), values, next(iter(conditions), ()))
        # In the place of the first of them.
        reading.dimensions = {
            k: together if k == min(keys, key=reading.order.index) else d
            for k, d in reading.dimensions.items()
            if k == min(keys, key=reading.order.index) or k not in keys
        }


def _members(reading: _Reading, group: Any, taken: Iterable[str]) -> list[str] | None:
    """Return the key elements that one list of `sweep.zip` names; None if it has problems."""
    names = [bare(str(n)) for n in group] if isinstance(group, list | tuple) else []
    example = "Write sweep.zip=[model.units,model.dropout], or a list of such lists."
    if len(names) < 2 or len(set(names)) < len(names):
        reading.fault("sweep.zip", f"expected two different keys at least, got {group!r}. {example}")
        return None
    varied = {bare(k): k for k in reading.dimensions}
    sound = True
    for name in names:
        if name in taken:
            reading.fault("sweep.zip", f"{name} stands in two lists. Make one list of them.")
        elif name not in varied:
            reading.fault(
                "sweep.zip",
                f"{name} is not varied.{did_you_mean(name, varied)} Give it values: {name}=1,2.",
            )
        elif isinstance(reading.dimensions[varied[name]], Interval):
            reading.fault(
                "sweep.zip", f"{name} is an interval, which has no first and second value. Give it values."
            )
        else:
            continue
        sound = False
    return [varied[n] for n in names] if sound else None
