"""`trainrun show GROUP/NAME [plugins=[…]]`: describe one option: YAML, docstring, arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainrun.commands._parser import Parser
from trainrun.commands.ls import GROUPS, OVERRIDES, announce_plugins, group_named
from trainrun.errors import UserError, did_you_mean
from trainrun.registry import declaration_reader, hints, lookup, option_files, signatures
from trainrun.sweep.space import samplers
from trainrun.ui import console, folding
from trainrun.util.declarations import Declaration


def main(argv: Sequence[str]) -> int:
    """Show one option."""
    parser = Parser(prog="trainrun show", description="One option: its YAML, docstring and arguments.")
    parser.add_argument("what", metavar="GROUP/NAME", help="for example loss/huber")
    parser.add_argument("overrides", nargs="*", help=OVERRIDES)
    arguments = parser.parse_args(argv)
    what = arguments.what
    group, slash, name = what.replace("=", "/", 1).rpartition("/")
    announce_plugins(arguments.overrides)
    if not slash or not name or not group:
        raise UserError(f"{what}: expected GROUP/NAME, for example loss/huber.{did_you_mean(what, GROUPS)}")
    group = group_named(group)
    if group == "sampler":
        return _show_sampler(name)
    typed = option_files.options(group).get(name)
    option = option_files.find(group, name)
    component = _component(group, name, option)
    if option is not None:
        if typed is not None and typed is not option:
            console.note(f"{group}={name} is short for {group}={option.name}")
        for file in reversed(option.lineage()):  # its own keys first, then those of its defaults
            console.say(f"{file.path}", style="bold")
            console.say(folding.fold_yaml(file.text.rstrip(), console.columns()))
    if component is not None:
        _show_component(component)
    return 0


def _show_sampler(name: str) -> int:
    """Show one of Optuna's samplers: what it is for, its settings, how it is chosen."""
    if name not in samplers.SAMPLERS:
        hint = did_you_mean(name, samplers.SAMPLERS)
        raise UserError(f"sampler: there is no option {name!r}.{hint} `trainrun ls sampler` lists them.")
    console.say(folding.fold(samplers.MEANING[name], "", console.columns()))
    console.say(f"Use: hydra/sweeper=optuna hydra.sweeper.sampler={name}")
    for key in samplers.SAMPLERS[name]:
        console.say(f"Setting: hydra.sweeper.{key}; see `trainrun show sweeper/optuna`.")
    return 0


def _component(group: str, name: str, option: option_files.Option | None) -> lookup.Component | None:
    component_name = option.arguments.get("name") if option is not None else name
    if option is not None and (component_name is None or group not in lookup.KERAS):
        return None
    try:
        return lookup.find(group, component_name)
    except UserError:
        if option is not None:
            return None
        known = [*(lookup.names(group) if group in lookup.KERAS else []), *option_files.options(group)]
        raise UserError(
            f"{group}: there is no option {name!r}.{did_you_mean(name, known)} `trainrun ls {group}` lists them."
        ) from None


def _show_component(component: lookup.Component) -> None:
    signature = signatures.read(component)
    console.say()
    console.say(f"{component.attribute} ({component.origin}: {component.module})", style="bold")
    if signature is None:
        return
    if signature.doc:
        console.say(folding.fold_docstring(signature.doc, console.columns()))
    demands = described(declaration_reader.read(component))
    if demands:
        console.say()
        console.table("", ["declares", ""], demands)
    rows = [
        [k, "(required)" if p.default == signatures.REQUIRED else p.default, hints.described(p.hint)]
        for k, p in signature.parameters.items()
    ]
    console.say()
    console.table("", ["argument", "default", "values"], rows)


def described(declared: Declaration) -> list[list[str]]:
    """Return a row for each declared value that is not the default of its group."""
    rows = []
    for field in dataclasses.fields(declared):
        value = getattr(declared, field.name)
        if value != field.default:
            rows.append([field.name, " ".join(value) if isinstance(value, tuple) else _plain(value)])
    return rows


def _plain(value: bool | str) -> str:
    return "yes" if value is True else "no" if value is False else value
