"""Settings of `hydra.launcher`, where the launcher is one of ours, checked before Hydra makes the sweep's directory."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from trainrun.errors import Problem
from trainrun.hydra_bridge import own_plugins
from trainrun.sweep.launchers import launcher_settings

if TYPE_CHECKING:
    from omegaconf import DictConfig


def problems(config: DictConfig) -> list[Problem]:
    """Return what is wrong with the launcher's settings.

    Args:
        config: as composed, with the node `hydra`.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        node = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    except OmegaConfBaseException as error:
        return [Problem("hydra.launcher", str(error).partition("\n")[0])]
    name = own_plugins.name_of(node, "")
    given = {k: v for k, v in node.items() if k != "_target_"}
    return list(_problems(name, json.dumps(given, default=str, sort_keys=True))) if name else []


@functools.lru_cache(maxsize=16)
def _problems(name: str, given: str) -> tuple[Problem, ...]:
    """Asked for each point of a sweep, and answered once: a cluster may have to be called."""
    return tuple(launcher_settings.problems(name, json.loads(given)))
