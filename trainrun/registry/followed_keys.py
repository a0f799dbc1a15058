"""Keys by which Hydra or Keras would import code that a config names; no config may have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem

# By these keys Hydra, or Keras when it reads a saved object, would import and call what a config names.
FOLLOWED = frozenset(
    {"_target_", "_partial_", "_args_", "_recursive_", "_convert_", "class_name", "module", "registered_name"}
)


def followed(tree: Any, key: str) -> list[Problem]:
    """Return a problem for each such key at any depth."""
    return [
        Problem(
            path,
            "a config names components by `name`; this key is never followed. `trainrun ls` lists the names.",
        )
        for path, _ in walk(tree, key, inner=True)
        if path.rpartition(".")[2] in FOLLOWED
    ]


def walk(tree: Any, key: str, inner: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of the leaves of a tree of dicts and lists, and with `inner` of what holds them too."""
    stack = [(key, tree)]
    while stack:
        path, node = stack.pop()
        inside: list[tuple[str, Any]] = []
        if isinstance(node, Mapping):
            inside = [(f"{path}.{k}" if path else str(k), v) for k, v in node.items()]
        elif isinstance(node, list | tuple):
            inside = [(f"{path}[{i}]", v) for i, v in enumerate(node)]
        if inner or not isinstance(node, Mapping | list | tuple):
            yield path, node
        stack += reversed(inside)
