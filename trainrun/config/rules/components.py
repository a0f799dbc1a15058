"""Rules of one component: its name, and its arguments against its signature, components that these name included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.config import outputs, tracker_settings
from trainrun.config.rules import settings
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import (
    common_keys,
    followed_keys,
    hints,
    lookup,
    old_arguments,
    option_files,
    signatures,
)
from trainrun.registry.construct import resolve, unknown_argument
from trainrun.registry.followed_keys import FOLLOWED
from trainrun.util.arguments import Form, Reference
from trainrun.util.durations import seconds

# Groups whose options hold more keys than their component's signature: the run's own settings.
SETTINGS_GROUPS = ("trainer", "hardware", "tracking")


def problems(group: str, key: str, spec: Any) -> list[Problem]:
    """Return the problems of one component: its name, its arguments, and the components that they name."""
    if not isinstance(spec, Mapping):
        if isinstance(spec, str):
            spec = {"name": spec}
        else:
            return [
                Problem(
                    key, f"expected keys under {key}, one of them name, got {spec!r}. Write {group}=<option>."
                )
            ]
    if bad := FOLLOWED & spec.keys():
        return [
            Problem(
                f"{key}.{k}",
                "a config names components by `name`; this key is never followed. `trainrun ls` lists the names.",
            )
            for k in sorted(bad)
        ]
    if "name" not in spec and group in option_files.SEVERAL and spec:
        option = key.rpartition(".")[2]
        return [
            Problem(
                key,
                f"it has settings ({', '.join(spec)}) and no component: {group}={option} was not chosen, or {group}=none left "
                f"it out. Choose it, {group}={option}, or remove its settings with ~{key}.",
            )
        ]
    if not isinstance(spec.get("name"), str):
        return [
            Problem(
                f"{key}.name",
                f"expected the name of a {group}, got {spec.get('name')!r}. `trainrun ls {group}` lists them.",
            )
        ]
    if spec["name"] == "none" or (group in SETTINGS_GROUPS and spec["name"] not in lookup.names(group)):
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
            *_argument_problems(group, key, spec, {}, chosen.arguments if chosen else {}),
        ]
    try:
        component, arguments = resolve(group, spec, key)
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
    signature = signatures.read(component)
    parameters = signature.parameters if signature else {}
    common = common_keys.of_group(group, key)
    wrong: list[Problem] = []
    if group in SETTINGS_GROUPS:
        wrong += _settings_problems(group, key, spec, parameters)
    elif signature is not None and not signature.open:
        takes = {k: v for k, v in parameters.items() if k not in signatures.FILLED_IN.get(group, ())} | common
        wrong += [
            Problem(
                f"{key}.{k}",
                unknown_argument(group, k, component.name, takes)
                + (
                    outputs.in_yaml(f"{key}.{k}", value)
                    if key == "loss" and component.name == outputs.AUTO
                    else ""
                ),
            )
            for k, value in arguments.items()
            if k not in takes and not (value is None and k in common_keys.KEYS.get(group, ()))
        ]
    option = option_files.by_component(group, spec["name"], key)
    defaults = (signature.defaults() if signature else {}) | (option.arguments if option else {})
    hints_of = {k: p.hint for k, p in parameters.items()} | dict(common)
    return [*wrong, *_argument_problems(group, key, arguments, hints_of, defaults)]


def _settings_problems(
    group: str, key: str, spec: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield the keys of a run's own settings that no option of trainrun has: Hydra takes any key that a YAML has.

    Args:
        group, key, spec: of the node.
        parameters: further arguments, of its component.
    """
    ours = [o for o in option_files.packaged(group).values() if not o.alias_of]
    named = [o for o in ours if o.arguments.get("name", o.name) == spec["name"]]
    known = {k: v for o in named or ours for k, v in o.arguments.items()} | dict(parameters)
    if key == tracker_settings.GROUP:
        known |= dict.fromkeys(("name", *tracker_settings.SHARED))
    for k in spec:
        if k not in known:
            takes = ", ".join(k for k in known if k != "name")
            today = old_arguments.today(group, k)
            way_out = f" {today}" if today else f"{did_you_mean(k, known)} It takes {takes}."
            yield Problem(f"{key}.{k}", f"no such key in {group}={spec['name']}.{way_out}")
    if group == "trainer":
        for k, value in (named[0].arguments if named else option_files.shared(group, "epochs")).items():
            if k not in spec and k not in parameters:
                text = f"the key is missing; in {group}={named[0].name if named else 'fit'} it is {hints.shown(value)}."
                yield Problem(f"{key}.{k}", text)


def _argument_problems(
    group: str,
    key: str,
    spec: Mapping[str, Any],
    known: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Iterator[Problem]:
    """Yield each argument whose value does not fit its type hint.

    Args:
        group, key, spec: of the component's node.
        known: hints of its arguments, as far as its source declares them.
        defaults: of its option, else of its signature.
    """
    for argument, value in spec.items():
        if argument == "name":
            continue
        where, default = f"{key}.{argument}", defaults.get(argument)
        if argument in known:
            hint = known[argument]
        elif group in SETTINGS_GROUPS:
            hint = settings.HINTS.get(f"{group}.{argument}", hints.of_default(default, keras=False))
        else:
            hint = Any
        reference, form = hints.mark(hint, Reference), hints.mark(hint, Form)
        if (reference or form) and value is not None:
            if fault := _one_or_list(hint, value, reference, form):
                yield Problem(where, fault)
                continue
            if reference and hints.takes_keys(hint) and not isinstance(value, Mapping):
                yield Problem(where, f"expected keys, got {hints.shown(value)}. Write {{.*: {value}}}.")
                continue
            places = (
                [(f"{where}[{i}]", v) for i, v in enumerate(value)]
                if isinstance(value, list)
                else [(f"{where}[{k!r}]", v) for k, v in value.items()]
                if reference and hints.takes_keys(hint)
                else [(where, value)]
            )
            for place, one in places:
                if reference and one is not None:
                    yield from problems(reference.group, place, one)
                elif isinstance(one, Mapping) and hints.takes_keys(hint):
                    continue
                elif form and (fault := FORMS[form.name](one)):
                    yield Problem(where, fault)
        elif faults := followed_keys.followed(value, where):
            yield from faults
        elif fault := hints.violation(hint, value, default):
            yield Problem(where, fault)


def _one_or_list(hint: Any, value: Any, reference: Reference | None, form: Form | None) -> str | None:
    """Return the message for one value where a list is expected, or the reverse; else None."""
    takes_one, takes_list = hints.takes(hint)
    if isinstance(value, list) and not takes_list and reference:
        return f"expected one {reference.group}, got a list of {len(value)}. Name one of them."
    if isinstance(value, list) and not takes_list and form and form.name == "name":
        return f"expected text, got {hints.shown(value)}."
    if not isinstance(value, list) and not takes_one:
        example = "{name: Dense, units: 64}" if reference and reference.group == "layer" else value
        return f"expected a list, got {value!r}. Write [{example}]."
    return None


def _outside(value: Any) -> str | None:
    """Return the message for a path outside the run's directory, where a callback could overwrite files of other runs."""
    path = Path(str(value))
    inside = not (
        path.is_absolute() or ".." in path.parts or str(value).startswith("~") or "://" in str(value)
    )
    if isinstance(value, str) and inside and path.parts:
        return None
    return f"expected a path inside the run's directory, got {value!r}. Write {path.name or 'files'!r}; copy it from there."


def _unread(read: Callable[[Any], Any]) -> Callable[[Any], str | None]:
    """Return a function that returns the message of `read` about a value that it cannot read."""

    def fault(value: Any) -> str | None:
        try:
            read(value)
        except ValueError as error:
            return str(error)
        return None

    return fault


def _no_text(value: Any) -> str | None:
    """Return what is wrong with a text of the user's data, or None; a number or truth value may be read from one."""
    return f"expected text, got {hints.shown(value)}." if isinstance(value, list | Mapping) else None


def _length(value: Any) -> Any:
    from trainrun.util import lengths  # few configs need it

    return lengths.parse(value)


FORMS: Mapping[str, Callable[[Any], str | None]] = {
    "length": _unread(_length),
    "duration": _unread(seconds),
    "path": _outside,
    "name": _no_text,
}
