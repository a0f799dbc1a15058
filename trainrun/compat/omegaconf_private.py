"""OmegaConf's private names: a node of a config itself, its loader of YAML. Checked with OmegaConf 2.3.1."""

from __future__ import annotations

import functools
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


def parse_by_libyaml() -> None:
    """Have OmegaConf parse YAML by libyaml, if PyYAML has it, with OmegaConf's own types and checks.

    For: the thirty files of each config; OmegaConf parses by PyYAML's scanner in Python and makes a class for each file.
    Public API: none; `OmegaConf.load` chooses its loader itself.
    Checked: OmegaConf 2.3.1. Missing: AttributeError, or slower where the loader is chosen elsewhere: tested.
    """
    import yaml
    from omegaconf import _utils

    if not yaml.__with_libyaml__:
        return
    by_python = _utils.get_yaml_loader

    @functools.cache
    def by_libyaml() -> type:
        class Loader(yaml.cyaml.CParser, by_python()):
            def __init__(self, stream: Any):
                yaml.cyaml.CParser.__init__(self, stream)
                yaml.constructor.SafeConstructor.__init__(self)
                yaml.resolver.Resolver.__init__(self)

        return Loader

    _utils.get_yaml_loader = by_libyaml
