"""Configs of a sweep's points: Hydra composes each choice of options once; a point's values are put into a copy of it.

Composing takes Hydra 0.1 s, of which nine tenths go into the list of defaults and the files it names: the same for all
points that differ in values only.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from trainrun.compat import hydra_private

if TYPE_CHECKING:
    from omegaconf import DictConfig

LIMIT = 32  # configs in one cache: half a megabyte each
Cache = dict[Hashable, Any]
T = TypeVar("T")
# The cache of the block `kept`; none outside of one, and in other threads.
_current: ContextVar[Cache | None] = ContextVar("composed configs", default=None)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep what is composed inside, for `of`; files that change meanwhile are not read again."""
    cache = _current.get()
    token = _current.set({} if cache is None else cache)
    try:
        yield
    finally:
        _current.reset(token)


def of(key: Hashable, make: Callable[[], T]) -> T:
    """Return what `make` composes, or reads; inside `kept` a copy of what it has made for the same key."""
    cache = _current.get()
    return make() if cache is None else _copy(cache, key, make)


class Composer:
    """Composes the points of a sweep as `load_sweep_config` of Hydra 1.3.8 does, which composes each from its files (0.1 s).

    Here only the choices of options are; the values are put into a copy. tests/hydra_bridge/test_compose_cache.py compares.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config, with the node `hydra`.
    """

    def __init__(self, loader: Any, master: DictConfig):
        self._loader, self._master = loader, master
        self._cache: Cache = {}
        # Whether a key names a folder of options, for which Hydra looks through all sources.
        self._groups: dict[str, bool] = {}

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of the point that these overrides make, the node `hydra` included.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        from hydra.core.override_parser.overrides_parser import OverridesParser
        from omegaconf import OmegaConf

        parsed = OverridesParser.create().parse_overrides(list(overrides))
        if any(o.is_sweep_override() for o in parsed):
            return self._loader.load_sweep_config(self._master, list(overrides))  # which refuses it
        values = [o for o in parsed if not self._chooses(o)]
        chosen = [str(o.input_line) for o in parsed if self._chooses(o)]
        config = _copy(
            self._cache, tuple(chosen), lambda: self._loader.load_sweep_config(self._master, chosen)
        )
        hydra_private.apply_overrides(values, config)
        config.hydra.overrides.task = [str(o.input_line) for o in parsed if not o.is_hydra_override()]
        config.hydra.job.override_dirname = hydra_private.override_dirname(
            [o for o in parsed if not o.is_hydra_override()], config.hydra.job.config.override_dirname
        )
        # Also what the copy's own interpolations have left there: a point's directory is found from its own values.
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        return config

    def _chooses(self, override: Any) -> bool:
        """Tell whether an override decides which files are composed, or is for Hydra itself."""
        if override.is_hydra_override() or override.is_delete() or override.package is not None:
            return True
        name = override.key_or_group
        if name not in self._groups:
            self._groups[name] = self._loader.repository.group_exists(name)
        return self._groups[name]


def look_up_in(config: DictConfig) -> None:
    """Have ``${hydra:…}`` found in this config from now on.

    `HydraConfig.set_config` of Hydra 1.3.8 copies the node `hydra` (5 ms); a point's config belongs to it, so no copy is needed.
    """
    from hydra.core.hydra_config import HydraConfig

    HydraConfig.instance().cfg = config


def _copy(cache: Cache, key: Hashable, make: Callable[[], T]) -> T:
    if key not in cache:
        if len(cache) >= LIMIT:
            # The oldest: points come in an order in which the last choice changes first.
            cache.pop(next(iter(cache)))
        cache[key] = make()
    return copy.deepcopy(cache[key])
