"""Cache of composed configs: Hydra composes each choice of options once; a point's values are set in a copy of it.

Nine tenths of composing go into the list of defaults and its files, which are the same for all points that differ in values
only.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from trainrun.compat import hydra_private
from trainrun.hydra_bridge import written_out

if TYPE_CHECKING:
    from omegaconf import DictConfig

LIMIT = 32  # configs in one cache: half a megabyte each
Cache = dict[Hashable, Any]
T = TypeVar("T")
# The cache of the block `enabled`; None outside of one, and in other threads.
_current: ContextVar[Cache | None] = ContextVar("composed configs", default=None)


@contextlib.contextmanager
def enabled() -> Iterator[None]:
    """Cache the results of `of` inside the `with`; files that change meanwhile are not read again."""
    cache = _current.get()
    token = _current.set({} if cache is None else cache)
    try:
        yield
    finally:
        _current.reset(token)


def of(key: Hashable, make: Callable[[], T]) -> T:
    """Return the result of `make`; inside `enabled`, a copy of the cached result for the key."""
    cache = _current.get()
    return make() if cache is None else _copy(cache, key, make)


class Composer:
    """Composes the points of a sweep as `load_sweep_config` of Hydra 1.3.8 does, which composes each from its files.

    Here only the choices of options are composed from files; the values are set in a copy. tests/hydra_bridge/test_compose_cache.py compares.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config, with the node `hydra`.
    """

    def __init__(self, loader: Any, master: DictConfig):
        self._loader, self._master = loader, master
        self._cache: Cache = {}
        # Key -> whether it names a group of options, for which Hydra searches all sources.
        self._groups: dict[str, bool] = {}

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of the point that these overrides make, the node `hydra` included.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        from hydra.core.override_parser.overrides_parser import OverridesParser
        from omegaconf import OmegaConf

        overrides = written_out.without_teacher(overrides, point=True)
        parsed = OverridesParser.create().parse_overrides(overrides)
        if any(o.is_sweep_override() for o in parsed):
            return self._loader.load_sweep_config(self._master, overrides)  # which raises
        values = [o for o in parsed if not self._chooses(o)]
        chosen = [str(o.input_line) for o in parsed if self._chooses(o)]
        config = _copy(
            self._cache, tuple(chosen), lambda: self._loader.load_sweep_config(self._master, chosen)
        )
        hydra_private.apply_overrides(values, config)
        _record(config, parsed)
        # Resolvers' cached values come from the sweep's config; those of the copied config belong to another point.
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        return config

    def _chooses(self, override: Any) -> bool:
        """Return whether an override decides which files are composed, or is for Hydra itself."""
        if override.is_hydra_override() or override.is_delete() or override.package is not None:
            return True
        name = override.key_or_group
        if name not in self._groups:
            self._groups[name] = self._loader.repository.group_exists(name)
        return self._groups[name]


def record_overrides(config: DictConfig, overrides: Sequence[str]) -> None:
    """Record in the node `hydra` of a composed config the overrides that it has, as composing with them does."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    config.hydra.overrides.hydra = [str(o.input_line) for o in parsed if o.is_hydra_override()]
    _record(config, parsed)


def _record(config: DictConfig, parsed: Sequence[Any]) -> None:
    of_task = [o for o in parsed if not o.is_hydra_override()]
    config.hydra.overrides.task = [str(o.input_line) for o in of_task]
    config.hydra.job.override_dirname = hydra_private.override_dirname(
        of_task, config.hydra.job.config.override_dirname
    )


def look_up_in(config: DictConfig) -> None:
    """Have ``${hydra:…}`` resolved in this config from now on.

    `HydraConfig.set_config` of Hydra 1.3.8 copies the node `hydra`; a point's config is not shared, so no copy is needed.
    """
    from hydra.core.hydra_config import HydraConfig

    HydraConfig.instance().cfg = config


def _copy(cache: Cache, key: Hashable, make: Callable[[], T]) -> T:
    if key not in cache:
        if len(cache) >= LIMIT:
            # Drop the oldest: points come in an order in which the last choice changes first.
            cache.pop(next(iter(cache)))
        cache[key] = make()
    return copy.deepcopy(cache[key])
