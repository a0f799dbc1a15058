"""Keys that every component of a group has and that the run reads, not the component: `model.freeze`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from trainrun.registry import option_files
from trainrun.util.arguments import Reference

# One regular expression over the paths of weights, or several.
Patterns = str | list[str] | None
# Group -> key -> type hint. Their defaults stand in the group's `_shared.yaml`.
KEYS: Mapping[str, Mapping[str, Any]] = {
    "model": {
        "freeze": Patterns,
        "trainable": bool | Patterns,
        "lora": Mapping | None,
        "quantization_aware": Literal["int8", "int4"] | None,
    },
    "optimizer": {"groups": Mapping | None},
    # Of a layer in the graph of model=layers.
    "layer": {"layer_name": str | None, "inputs": str | list[str] | None},
}
# Of each optimizer in optimizer.map.
OF_MAP: Mapping[str, Any] = {"schedule": Annotated[Any, Reference("schedule")]}


def of_group(group: str, key: str) -> Mapping[str, Any]:
    """Return the hints of the common keys of a node; a component that another names (`optimizer.inner`,
    the layer of a `Bidirectional`) has none.

    Args:
        group: of the component.
        key: of its node in the config.
    """
    if group == "optimizer" and key.startswith("optimizer.map["):
        return OF_MAP
    is_node = re.fullmatch(r"model\.layers\[\d+\]", key) if group == "layer" else key == group
    return KEYS.get(group, {}) if is_node else {}


def without(group: str, arguments: Mapping[str, Any], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of a component without the common keys of its group, except for those that it reads itself.

    Args:
        group: of the component.
        arguments: of its spec.
        known: the arguments that the component takes; None: any.
    """
    common = KEYS.get(group, {})
    return {k: v for k, v in arguments.items() if k not in common or (known is not None and k in known)}


def defaults(group: str) -> dict[str, Any]:
    """Return the common keys of a group with their defaults, for a component that has no YAML."""
    common = KEYS.get(group, {})
    return {k: v for k, v in option_files.shared_file(group).items() if k in common} if common else {}
