"""Directions of a run's numbers, whether a larger or a smaller value is better: for sweeps, pruners, callbacks, summaries, plots.

A metric declares its direction (`trainrun.util.declarations`); losses and penalties are minimized. Other names have no
direction: code that needs one raises an error that names the setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.errors import UserError, did_you_mean
from trainrun.registry import declaration_reader, lookup, option_files

SPLITS = ("val_", "test_")
OF_SET = re.compile(r"val\.([A-Za-z0-9]+)_")  # of one of several validation sets
# Numbers of a run's logs and summary that are not metrics of the config. A name that ends in a dot stands for all below.
FIGURES: Mapping[str, str] = {
    "loss": "min",
    "data_loss": "min",
    "penalty": "min",
    "parameters": "min",
    "seconds.": "min",
    "examples_per_second": "max",
}
WAY_OUT = "sweep.direction=minimize or sweep.direction=maximize"
WORDS = {"min": "minimize", "max": "maximize"}


def split_of(name: str) -> str:
    """Return the prefix of the split of a logged name: `val_` of `val_auc`, `val.hard_` of `val.hard_auc`, or an empty text."""
    named = OF_SET.match(name)
    return named[0] if named else next((split for split in SPLITS if name.startswith(split)), "")


def bare(name: str) -> str:
    """Return a logged name without the prefix of its split: `val_auc` is `auc`."""
    return name.removeprefix(split_of(name))


def of(name: str, metrics: Mapping[str, Any] | None = None) -> str | None:
    """Return ``min``, ``max``, or None where nothing declares it.

    Args:
        name: as in the logs or the summary: ``val_auc``, ``loss``, ``seconds.train``.
        metrics: the config's `metric` node, key -> spec; without it a name stands for the option or component of that name.
    """
    base = bare(name)
    spec = (metrics or {}).get(base)
    if isinstance(spec, Mapping) and spec.get("name"):
        return declaration_reader.of("metric", spec["name"]).direction
    for output, inside in (metrics or {}).items():  # the metrics of one output of several
        of_output = isinstance(inside, Mapping) and base.startswith(f"{output}_")
        spec = inside.get(base.removeprefix(f"{output}_")) if of_output else None
        if isinstance(spec, Mapping) and spec.get("name"):
            return declaration_reader.of("metric", spec["name"]).direction
    if base in FIGURES:
        return FIGURES[base]
    if base.endswith("_loss"):  # Keras' name for the loss of one output of several
        return "min"
    if (group := base.partition(".")[0] + ".") in FIGURES and group != f"{base}.":
        return FIGURES[group]
    option = option_files.find("metric", base)
    component = option.arguments.get("name") if option is not None else base
    return declaration_reader.of("metric", component).direction if component else None


def unknown(name: str, way_out: str) -> str:
    """Return the message for a name without a direction.

    Args:
        name: as in the logs.
        way_out: the setting that gives the direction, such as ``sweep.direction=minimize``.
    """
    base = bare(name)
    known = {*lookup.names("metric"), *option_files.options("metric"), *FIGURES} - {base}
    near = did_you_mean(base, known, 0.75)
    return f"nothing declares which way {name} is better.{near} Set {way_out}."


def resolved(
    objective: str | Sequence[str] | None,
    direction: str | Sequence[str] | None,
    metrics: Mapping[str, Any] | None = None,
    way_out: str = WAY_OUT,
) -> str | list[str]:
    """Return the direction of each objective with ``auto`` replaced by what is declared.

    Args:
        objective: a metric's name, several, or None: the loss.
        direction: ``minimize``, ``maximize``, ``auto``, or one for each objective.
        metrics: see `of`.
        way_out: see `unknown`.

    Raises:
        UserError: a direction is ``auto`` and nothing declares it.
    """
    names = [objective] if objective is None or isinstance(objective, str) else list(objective)
    words = [direction or "auto"] if direction is None or isinstance(direction, str) else list(direction)
    if len(words) == 1:
        words *= len(names)
    directions = []
    for name, word in zip(names, words, strict=True):
        declared = of(name or "loss", metrics) if word == "auto" else None
        if word == "auto" and declared is None:
            raise UserError(unknown(str(name), way_out))
        directions.append(word if declared is None else WORDS[declared])
    return directions if len(names) > 1 else directions[0]
