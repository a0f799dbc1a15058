"""Rules of what components require: installed packages, several outputs, classes with an order."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config.named_components import chosen
from trainrun.data._columns import number
from trainrun.data.dataset import Description
from trainrun.errors import Problem, listed
from trainrun.registry import declaration_reader
from trainrun.util.declarations import KINDS

# Classes that a message names.
NAMED = 5


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield the requirements of the config's components that are not met."""
    for group in KINDS:
        for key, _, spec in chosen(config, group):
            for package in declaration_reader.of(group, spec["name"]).packages:
                if importlib.util.find_spec(package) is None:
                    yield Problem(key, f"it needs the package {package}: pip install {package}.")
    for key, _, spec in chosen(config, "metric"):
        alone = data.outputs == 1 and spec.get("axis") == -1
        if alone and declaration_reader.of("metric", spec["name"]).correlates_along_axis:
            text = f"with axis=-1 it correlates across an example's outputs; data={config['data']['name']} has one. Set {key}.axis=0."
            yield Problem(f"{key}.axis", text)


def ordered_classes(
    config: Mapping[str, Any], data: Description, output: str | None = None
) -> Iterator[Problem]:
    """Classes that are texts have the order that `data.ordinal` says; without it, the alphabet's is none.

    Args:
        config: of the run, or of one output.
        data: what is known of it.
        output: its name, which is the target's.
    """
    settings, names = config["data"], data.class_names
    target = settings.get("target") if output is None else output
    if "ordinal" not in settings or len(names) < 3 or target in (settings["ordinal"] or {}):
        return
    if data.target != "multiclass" or all(number(name) is not None for name in names):
        return
    for group in ("loss", "metric"):
        for key, name, spec in chosen(config, group):
            if declaration_reader.of(group, spec["name"]).reads_order and spec.get("weights", "") is not None:
                text = f"{group}={name} reads the order of the classes, and those of {target} are texts: {listed(names, NAMED)}. List them from the lowest to the highest: 'data.ordinal={{{target}: [low, middle, high]}}'."
                text += f" Or count all errors alike: {key}.weights=null." if "weights" in spec else ""
                yield Problem(key, text)
