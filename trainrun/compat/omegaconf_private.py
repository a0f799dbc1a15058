"""OmegaConf's private names: a node of a config itself, its loader of YAML. Checked with OmegaConf 2.3.1."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Whether configs are being merged, see `texts_unresolved`.
_merging: ContextVar[bool] = ContextVar("merging", default=False)
# An interpolation that is the key of a node, from the root on.
_KEY = re.compile(r"\$\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}", re.ASCII)


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


@contextlib.contextmanager
def texts_unresolved() -> Iterator[None]:
    """Merge configs inside the `with` without resolving interpolations that cannot stand for a node with keys.

    For: OmegaConf parses each text that a merge replaces, a tenth of the time that composing takes, and uses only a node with keys.
    Public API: none. Checked: OmegaConf 2.3.1. Missing: AttributeError, or slower where it resolves otherwise: tested.
    """
    _replace_resolution()
    token = _merging.set(True)
    try:
        yield
    finally:
        _merging.reset(token)


@functools.cache
def _replace_resolution() -> None:
    from omegaconf import AnyNode, StringNode, ValueNode

    resolved = ValueNode._maybe_dereference_node

    def unless_text(
        self: Any, throw_on_resolution_failure: bool = False, memo: set[int] | None = None
    ) -> Any:
        if _merging.get() and not throw_on_resolution_failure and _is_text(self):
            return None
        return resolved(self, throw_on_resolution_failure, memo)

    AnyNode._maybe_dereference_node = StringNode._maybe_dereference_node = unless_text


def _is_text(node: Any) -> bool:
    """Return whether a node holds an interpolation and stands for no node with keys: text around it, or the key of a value."""
    from omegaconf import DictConfig, ListConfig, StringNode

    if not node._is_interpolation():
        return False
    text = node._value()
    if type(node) is StringNode or not (text.startswith("${") and text.endswith("}")):
        return True
    if (match := _KEY.fullmatch(text)) is None:
        return False
    target = node._get_root()
    for part in match[1].split("."):
        if not isinstance(target, DictConfig) or target._is_interpolation():
            return False
        target = None if target._is_none() or target._is_missing() else target._get_node(part)
        if target is None:  # not there yet: nor would OmegaConf find it
            return True
    return not isinstance(target, DictConfig | ListConfig) and not target._is_interpolation()
