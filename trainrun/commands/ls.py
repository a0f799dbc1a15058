"""`trainrun ls [GROUP] [plugins=[…]]`: list the option groups, or the options of one group."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands._parser import Parser
from trainrun.config import plugins
from trainrun.errors import UserError, did_you_mean
from trainrun.registry import lookup, option_files, signatures
from trainrun.sweep.space import samplers
from trainrun.ui import console

GROUPS = {
    "data": "training data",
    "augment": "random changes of training examples; several: augment=[a,b]",
    "model": "network architecture",
    "loss": "loss function",
    "metric": "metrics; several: metric=[accuracy,auc]",
    "optimizer": "optimizer (update rule)",
    "schedule": "learning-rate schedule",
    "trainer": "training loop",
    "step": "training step of trainer=custom: trainer.step=my_step",
    "hardware": "devices and precision",
    "callback": "callbacks; several: callback=[a,b]",
    "tracking": "experiment tracking",
    "alert": "messages about a run's end; several: alert=[webhook,command]",
    "checkpoint": "when checkpoints are written",
    "failure": "how a run reacts when training fails",
    "tune": "batch-size and learning-rate finders",
    "artifacts": "files that a run writes: model, plots, report",
    "sweep": "settings of `trainrun -m`",
    "hydra/launcher": "where the trials of a sweep run",
    "hydra/sweeper": "search algorithms of a sweep",
    "sampler": "samplers of hydra/sweeper=optuna: hydra.sweeper.sampler=tpe",
    "sweep/pruner": "early stopping of unpromising trials",
    "experiment": "complete configs with a measured score",
    "debug": "short runs for CI and debugging",
    "initializer": "initial weights: model.initializer=he_normal",
    "regularizer": "weight penalties: model.regularizer=l2",
    "constraint": "weight constraints: model.constraint=max_norm",
    "layer": "Keras layers, for model=layers",
}
OVERRIDES = "plugins=[./mine.py], or experiment=mine, whose components are shown too"


def group_named(word: str) -> str:
    """Return the group that a word means: its whole name, or the last part of it, as in ``ls pruner``.

    Raises:
        UserError: there is no such group.
    """
    group = next((g for g in GROUPS if word in (g, g.rpartition("/")[2])), None)
    if group is None:
        raise UserError(
            f"{word}: no such group.{did_you_mean(word, GROUPS)} The groups are {', '.join(GROUPS)}."
        )
    return group


def main(argv: Sequence[str]) -> int:
    """List the groups, or the options of one."""
    parser = Parser(prog="trainrun ls", description="List the option groups, or the options of one group.")
    parser.add_argument("group", nargs="?", help="one of " + ", ".join(GROUPS))
    parser.add_argument("overrides", nargs="*", help=OVERRIDES)
    arguments = parser.parse_args(argv)
    group, overrides = arguments.group, arguments.overrides
    if group is not None and "=" in group:
        group, overrides = None, [group, *overrides]
    announce_plugins(overrides)
    if group is None:
        rows = [[name, str(_count(name)), meaning] for name, meaning in GROUPS.items()]
        console.table("", ["group", "options", "description"], rows)
        console.note(
            "`trainrun ls GROUP` lists the options of a group; `trainrun show GROUP/NAME` describes one."
        )
        return 0
    console.table("", ["name", "use when", "from"], rows_of(group_named(group)))
    if group == "metric":
        console.note("Any loss is a metric, too, averaged over the examples: metric=[huber].")
    return 0


def announce_plugins(overrides: Sequence[str]) -> None:
    """Register the components of plug-ins: of the project's config, of installed packages, and of overrides.

    Args:
        overrides: ``plugins=[./mine.py]``, or ``experiment=mine`` whose YAML names plug-ins.

    Raises:
        UserError: a plug-in is faulty, or another override is given.
    """
    if others := [text for text in overrides if "=" not in text]:
        raise UserError(f"{others[0]}: expected an override, such as plugins=[./mine.py].")
    if problems := plugins.announce([*plugins.early(overrides), *plugins.entry_points()]):
        raise UserError(problems)


def _count(group: str) -> int:
    # Reading the layers' docstrings from Keras' source takes a third of a second; a count does not need them.
    return len(lookup.names(group)) if group == "layer" else len(rows_of(group))


def rows_of(group: str) -> list[list[str]]:
    """Return (name with its aliases, meaning, origin) of every option of a group."""
    if group == "layer":
        layers = [lookup.find("layer", name) for name in lookup.names("layer")]
        return sorted([layer.name, _first_line(layer), layer.origin] for layer in layers)
    if group == "sampler":
        return [[name, meaning, "optuna"] for name, meaning in samplers.MEANING.items()]
    options = option_files.options(group)
    aliases: dict[str, list[str]] = {}
    for option in options.values():
        if option.alias_of:
            aliases.setdefault(option.alias_of, []).append(option.name)
    rows = []
    for option in options.values():
        if option.alias_of:
            continue
        name = ", ".join([option.name, *aliases.get(option.name, [])])
        rows.append([name, option.summary, _origin(option)])
    for name in lookup.names(group) if group in lookup.KERAS else ():
        component = lookup.find(group, name)
        if component.origin.startswith("plug-in") and name not in options:
            rows.append([name, _first_line(component), component.origin])
    return sorted(rows)


def _first_line(component: lookup.Component) -> str:
    """Return the first line of a component's docstring, or an empty text."""

    signature = signatures.read(component)
    return signature.doc.splitlines()[0] if signature and signature.doc else ""


def _origin(option: option_files.Option) -> str:
    if option.origin != "trainrun":
        return str(option.path)
    name = option.arguments.get("name") if option.group in lookup.KERAS else None
    try:
        return lookup.find(option.group, name).origin if name else "trainrun"
    except UserError:
        return "trainrun"
