"""What a component of the config cannot do without: an installed package, several outputs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import declaration_reader
from trainrun.util.declarations import KINDS


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield what a component of the config cannot do without and does not have."""
    for group in KINDS:
        for key, spec in _components(group, config.get(group) or {}):
            for package in declaration_reader.of(group, spec["name"]).packages:
                if importlib.util.find_spec(package) is None:
                    yield Problem(key, f"it needs the package {package}: pip install {package}.")
    source = f"data={(config.get('data') or {}).get('name')}"
    for name, spec in (config.get("metric") or {}).items():
        alone = data.outputs == 1 and isinstance(spec, Mapping) and spec.get("axis") == -1
        if alone and declaration_reader.of("metric", spec.get("name")).correlates_along_axis:
            text = f"with axis=-1 it correlates across an example's outputs; {source} has one. Set metric.{name}.axis=0."
            yield Problem(f"metric.{name}.axis", text)


def _components(group: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (key, spec) of each component of a group's node."""
    if "name" in node:
        yield group, node
        return
    for name, spec in node.items():
        if isinstance(spec, Mapping) and "name" in spec:
            yield f"{group}.{name}", spec
