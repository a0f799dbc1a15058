"""Components of a config: their names, their arguments, and what these name in turn, held against their signatures."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.config import tracker_settings
from trainrun.config.rules import ranges
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import followed_keys, lookup, option_files, signatures
from trainrun.registry.construct import FORBIDDEN, reference_group, resolve, unknown_argument
from trainrun.util.durations import seconds
from trainrun.util.lengths import LENGTHS
from trainrun.util.lengths import parse as parse_length

# Arguments that are durations: 90s, 10m, 1h30m.
DURATIONS = ("max_time",)
# Groups whose options hold more keys than their component's signature: the run's own settings.
SETTINGS_GROUPS = ("trainer", "hardware", "tracking")
# Parameters that the run fills in, and no config.
FILLED_IN = {
    "model": ("inputs", "target", "head"),
    "loss": ("y_true", "y_pred", "sample_weight"),
    "metric": ("y_true", "y_pred", "sample_weight"),
}


def problems(group: str, key: str, spec: Any) -> list[Problem]:
    """Return what is wrong with one component: its name, its arguments, and what they name in turn."""
    if not isinstance(spec, Mapping):
        if isinstance(spec, str):
            spec = {"name": spec}
        else:
            return [
                Problem(
                    key, f"expected keys under {key}, one of them name, got {spec!r}. Write {group}=<option>."
                )
            ]
    if bad := FORBIDDEN & spec.keys():
        return [
            Problem(
                f"{key}.{k}",
                "a config names components by `name`; this key is never followed. `trainrun ls` lists the names.",
            )
            for k in sorted(bad)
        ]
    if not isinstance(spec.get("name"), str):
        return [
            Problem(
                f"{key}.name",
                f"expected the name of a {group}, got {spec.get('name')!r}. `trainrun ls {group}` lists them.",
            )
        ]
    if spec["name"] == "none" or (group in SETTINGS_GROUPS and spec["name"] not in lookup.own_names(group)):
        known = set(option_files.options(group)) | set(lookup.own_names(group))
        if spec["name"] not in known:
            return [
                Problem(
                    f"{key}.name",
                    f"there is no {group} {spec['name']!r}.{did_you_mean(spec['name'], known)} It is one of {', '.join(sorted(known))}.",
                )
            ]
        chosen = option_files.options(group).get(spec["name"])
        return [
            *_settings_problems(group, key, spec, {}),
            *_argument_problems(group, key, spec, chosen.arguments if chosen else {}),
        ]
    try:
        component, given = resolve(group, spec, key)
    except UserError as error:
        known = list(option_files.options(group))
        return [
            Problem(
                f"{key}.name",
                p.message
                if "Did you mean" in p.message
                else p.message + did_you_mean(spec["name"], known, 0.5),
            )
            for p in error.problems
        ]
    wrong: list[Problem] = []
    signature = signatures.read(component)
    if group in SETTINGS_GROUPS:
        wrong += _settings_problems(group, key, spec, signature.parameters if signature else {})
    elif signature is not None and not signature.open:
        takes = {k: v for k, v in signature.parameters.items() if k not in FILLED_IN.get(group, ())}
        wrong += [
            Problem(f"{key}.{k}", unknown_argument(k, component.name, takes)) for k in given if k not in takes
        ]
    option = option_files.by_component(group, spec["name"], key)
    defaults = dict(option.arguments) if option else {}
    for name, text in (signature.parameters if signature else {}).items():
        if name not in defaults and text != signatures.REQUIRED:
            defaults[name] = _literal(text)
    return [*wrong, *_argument_problems(group, key, {"name": component.name, **given}, defaults)]


def _settings_problems(
    group: str, key: str, spec: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Iterator[Problem]:
    """Hold the run's own settings against those of our options: Hydra takes any key that a YAML brings along.

    Args:
        group, key, spec: of the node.
        parameters: what its component takes besides.
    """
    ours = [o for o in option_files.packaged(group).values() if not o.alias_of]
    named = [o for o in ours if o.arguments.get("name", o.name) == spec["name"]]
    known = {k: v for o in named or ours for k, v in o.arguments.items()} | dict(parameters)
    if key == tracker_settings.GROUP:
        known |= dict.fromkeys(("name", *tracker_settings.SHARED))
    for k in spec:
        if k not in known:
            takes = ", ".join(k for k in known if k != "name")
            yield Problem(
                f"{key}.{k}",
                f"no such key in {group}={spec['name']}.{did_you_mean(k, known)} It takes {takes}.",
            )
    if group == "trainer":
        example = named[0] if named else option_files.packaged(group)["fit"]
        for k, value in example.arguments.items():
            if k not in spec and k not in parameters:
                yield Problem(
                    f"{key}.{k}", f"the key is missing; in {group}={example.name} it is {_written(value)}."
                )


def _written(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except ValueError:
        return None


def _argument_problems(
    group: str, key: str, spec: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[Problem]:
    for argument, value in spec.items():
        where = f"{key}.{argument}"
        if argument == "name":
            continue
        inside = reference_group(argument)
        if inside is not None:
            if argument.endswith("s") and value is not None and not isinstance(value, list):
                yield Problem(where, f"expected a list, got {value!r}. Write [{{name: Dense, units: 64}}].")
                continue
            if isinstance(value, list) and not argument.endswith("s"):
                yield Problem(where, f"expected one {inside}, got a list of {len(value)}. Name one of them.")
                continue
            for i, nested in enumerate(value if isinstance(value, list) else [value]):
                place = f"{where}[{i}]" if isinstance(value, list) else where
                if nested is not None:
                    yield from problems(inside, place, nested)
            continue
        if faults := followed_keys.followed(value, where):
            yield from faults
            continue
        if group == "callback" and argument in ranges.RUN_PATHS and isinstance(value, str):
            yield from _outside(where, value)
            continue
        if (group, argument) in LENGTHS or argument in DURATIONS:
            read = parse_length if (group, argument) in LENGTHS else seconds
            yield from _unread(where, value, read)
            continue
        rule = ranges.rule_for(group, str(spec["name"]), argument, defaults.get(argument))
        fault = ranges.violation(rule, value, defaults.get(argument)) if rule else None
        if fault:
            yield Problem(where, fault)


def _outside(where: str, value: str) -> Iterator[Problem]:
    """A callback's file lies in the run's directory, where it cannot lie over anything of another run."""
    path = Path(value)
    if path.is_absolute() or ".." in path.parts or value.startswith("~") or "://" in value or not path.parts:
        yield Problem(
            where,
            f"expected a path inside the run's directory, got {value!r}. Write {path.name or 'files'!r}; copy it from there.",
        )


def _unread(where: str, value: Any, read: Callable[[Any], Any]) -> Iterator[Problem]:
    """Yield what `read` says of a value, or of each of a list, that it cannot read."""
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        try:
            read(one)
        except ValueError as error:
            yield Problem(where, str(error))
