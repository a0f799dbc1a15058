"""Which classes our launchers and sweepers are: the `_target_` that no YAML may name is added here.

Hydra instantiates what the `_target_` of `hydra.launcher` and `hydra.sweeper` names. Our options are YAML files, and in
those `_target_` is forbidden; Hydra 1.3.8 merges a node of the same name in its ConfigStore with the file, under a
warning that this is deprecated (tried). So the file source adds the target while it reads one of these options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODULE = "hydra_plugins.trainrun"
# Option -> the name of its class in that module; `registration` puts the classes there.
CLASSES = {
    "hydra/launcher/auto": "AutoLauncher",
    "hydra/launcher/local": "LocalLauncher",
    "hydra/launcher/vectorized": "VectorizedLauncher",
    "hydra/launcher/ray": "RayLauncher",
    "hydra/launcher/submitit": "SubmititLauncher",
    "hydra/sweeper/grid": "GridSweeper",
    "hydra/sweeper/random": "RandomSweeper",
    "hydra/sweeper/optuna": "OptunaSweeper",
}
TARGETS = {option: f"{MODULE}.{name}" for option, name in CLASSES.items()}


def name_of(node: Mapping[str, Any], choice: str) -> str:
    """Return which launcher or sweeper a node is for: a project's own option may be a preset of one of ours.

    Args:
        node: `hydra.launcher` or `hydra.sweeper`, with its `_target_`.
        choice: the option that was chosen; it is returned for a plug-in that is not ours.
    """
    target = node.get("_target_")
    return next((o.rpartition("/")[2] for o, t in TARGETS.items() if t == target), choice)
