"""Rules of what components require: installed packages, several outputs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config.named_components import chosen
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import declaration_reader
from trainrun.util.declarations import KINDS


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
