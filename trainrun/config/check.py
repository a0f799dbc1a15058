"""Preflight: everything that is wrong with a config, before TensorFlow loads and before a run directory exists."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.config import plugins, safety, tracker_settings
from trainrun.config.rules import checkpoint, combinations, failure, ranges
from trainrun.config.rules import sweep as sweep_rules
from trainrun.data.dataset import Description
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import followed_keys, lookup, option_files, signatures
from trainrun.registry.construct import FORBIDDEN, reference_group, resolve, unknown_argument
from trainrun.util.durations import seconds
from trainrun.util.lengths import LENGTHS
from trainrun.util.lengths import parse as parse_length

# Arguments that are durations: 90s, 10m, 1h30m.
DURATIONS = ("max_time",)
# A run's name stands in tables.
LONGEST_NAME = 250
# Groups whose options hold more keys than their component's signature: the run's own settings.
SETTINGS_GROUPS = ("trainer", "hardware", "tracking")
# Every config has a node of these.
TOP = (
    "data",
    "model",
    "loss",
    "metric",
    "optimizer",
    "schedule",
    "trainer",
    "hardware",
    "callback",
    "tracking",
)
# Parameters that the run fills in, and no config.
FILLED_IN = {
    "model": ("inputs", "target", "head"),
    "loss": ("y_true", "y_pred", "sample_weight"),
    "metric": ("y_true", "y_pred", "sample_weight"),
}


def problems(config: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a resolved config: names, arguments, ranges, combinations, the data's own faults."""
    found = [
        *_root(config),
        *checkpoint.problems(config),
        *sweep_rules.problems(config),
        *failure.problems(config),
        *tracker_settings.problems(config["tracking"]),
    ]
    for group, key, spec in components(config):
        if isinstance(spec, Mapping):
            found += component_problems(group, key, spec)
        else:
            nests = (
                f" An option of this group nests under a name of its own: {{mine: {{name: {spec}}}}}."
                if group in option_files.SEVERAL
                else ""
            )
            text = (
                f"expected keys under {key}, one of them name, got {spec!r}. Write {group}=<option>.{nests}"
            )
            found.append(Problem(key, text))
    found += [*followed_keys.followed(config, ""), *safety.texts(config)]
    described = describe(config) if not any(p.key.startswith("data") for p in found) else Description()
    found += [Problem(f"data.{key}", message) for key, message in described.problems]
    whole = all(isinstance(config[group], Mapping) for group in TOP)
    if whole and not any(p.key.endswith(".name") for p in found):
        found += combinations.problems(config, described)
    return list(dict.fromkeys(found))


def components(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (group, key, spec) of every component that a config names at its top."""
    for group in (*lookup.KERAS,):
        node = config.get(group)
        if group == tracker_settings.GROUP:
            yield from tracker_settings.components(node)
        elif group in option_files.SEVERAL:
            if not isinstance(node, Mapping):
                yield group, group, node
                continue
            for name, spec in node.items():
                yield group, f"{group}.{name}", spec
        elif group in config:
            yield group, group, node


def _root(config: Mapping[str, Any]) -> Iterator[Problem]:
    from trainrun.config import schema

    for key, value in _settings(config):
        fault = ranges.violation(ranges.RULES[key], value, None)
        if fault:
            yield Problem(key, fault)
    yield from plugins.announce(config.get("plugins") or [])
    known = {f.name: str(f.type) for f in dataclasses.fields(schema.Root)}
    for key in config:  # `+` adds any key
        if key not in known:
            yield Problem(
                key,
                f"there is no such key or group.{did_you_mean(key, known)} `trainrun --help` lists the groups.",
            )
            continue
        inside = getattr(getattr(schema, known[key], None), "__dataclass_fields__", None)
        for k in config[key] if inside else ():
            if k not in inside:
                yield Problem(
                    f"{key}.{k}",
                    f"no such key in {key}.{did_you_mean(k, inside)} It takes {', '.join(inside)}.",
                )
    name = config.get("name")
    if isinstance(name, str) and len(name) > LONGEST_NAME:
        yield Problem("name", f"expected at most {LONGEST_NAME} characters, got {len(name):,}. Shorten it.")


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of the settings at the root that have a range."""
    for key in ("seed", "profile", "profile_steps"):
        if key in config:
            yield key, config[key]
    for key, value in config["tune"].items():
        if f"tune.{key}" in ranges.RULES:
            yield f"tune.{key}", value


def component_problems(group: str, key: str, spec: Any) -> list[Problem]:
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
    found: list[Problem] = []
    said = signatures.read(component)
    if group in SETTINGS_GROUPS:
        found += _settings_problems(group, key, spec, said.parameters if said else {})
    elif said is not None and not said.open:
        takes = {k: v for k, v in said.parameters.items() if k not in FILLED_IN.get(group, ())}
        found += [
            Problem(f"{key}.{k}", unknown_argument(k, component.name, takes)) for k in given if k not in takes
        ]
    option = option_files.by_component(group, spec["name"], key)
    defaults = dict(option.arguments) if option else {}
    for name, text in (said.parameters if said else {}).items():
        if name not in defaults and text != signatures.REQUIRED:
            defaults[name] = _literal(text)
    return [*found, *_argument_problems(group, key, {"name": component.name, **given}, defaults)]


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
                    f"{key}.{k}", f"nothing is said of it; in {group}={example.name} it is {_written(value)}."
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
                    yield from component_problems(inside, place, nested)
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


def describe(config: Mapping[str, Any]) -> Description:
    """Return what the dataset says of itself before it is loaded; empty for a plug-in's, which only loading tells."""
    spec = config.get("data")
    if not isinstance(spec, Mapping) or spec.get("name") not in lookup.own_names("data"):
        return Description()
    module = importlib.import_module(f"trainrun.data.{spec['name']}")
    try:
        return module.describe(**{k: v for k, v in spec.items() if k != "name"})
    except UserError as error:
        return Description(problems=tuple((p.key.removeprefix("data."), p.message) for p in error.problems))
    except (TypeError, ValueError, OverflowError, OSError) as error:
        refused = f"data={spec['name']} cannot take these arguments: {error}. `trainrun show data/{spec['name']}` tells them."
        return Description(problems=(("name", refused),))
