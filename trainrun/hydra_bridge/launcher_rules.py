"""What `hydra.launcher` may say, where the launcher is one of ours: told before Hydra makes the sweep's directory."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from trainrun.errors import Problem

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
        given = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    except OmegaConfBaseException as error:
        return [Problem("hydra.launcher", str(error).partition("\n")[0])]
    return list(_problems(json.dumps(given, default=str, sort_keys=True)))


@functools.lru_cache(maxsize=16)
def _problems(text: str) -> tuple[Problem, ...]:
    """Asked for each point of a sweep, and answered once: a cluster may have to be called."""
    from trainrun.hydra_bridge import registration

    given: dict[str, Any] = json.loads(text)
    target = str(given.pop("_target_", "")).rpartition(".")[2]
    for group, _, plugin, _ in registration.plugins_of_ours():
        if group == "hydra/launcher" and plugin.__name__ == target:
            return tuple(plugin(**given).problems())
    return ()
