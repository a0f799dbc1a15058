"""OmegaConf's private names: a node of a config itself, instead of its value. Checked with OmegaConf 2.3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig


def child(config: DictConfig, key: str) -> Any:
    """Return the node below a key, an interpolation followed, or None.

    For: walking down a dotted key without resolving values, to find its first unknown part.
    Public API: `config[key]` returns the value, and raises for `???`.
    Checked: OmegaConf 2.3.1. Missing: AttributeError while an unknown key is explained.

    Args:
        config: a mapping that has the key.
        key: one part of a dotted key.

    Raises:
        OmegaConfBaseException: an interpolation has no target.
    """
    node = config._get_node(key)
    return node._dereference_node() if node is not None and node._is_interpolation() else node
