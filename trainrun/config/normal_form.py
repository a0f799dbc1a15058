"""A resolved config in its normal form: ints where an int is meant, and no settings that its trainer does not read."""

from __future__ import annotations

from typing import Any

from trainrun.config import phases, plugins
from trainrun.config.rules import settings
from trainrun.registry import lookup, option_files, whole_numbers


def of(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with ints for whole floats (`trainer.epochs=1e1` is 10), in settings and components' arguments alike.

    Of a run in phases, `trainer.epochs` is the number of all of their epochs. Its plug-ins include those of installed packages of which it names a component.

    Args:
        config: its plug-ins are announced; changed in place.
    """
    without_unread(config)
    if (epochs := phases.epochs(config)) is not None and "epochs" in (config.get("trainer") or {}):
        config["trainer"]["epochs"] = epochs
    settings.whole_numbers(config)
    for group in lookup.KERAS:
        node = config.get(group)
        if group in option_files.SEVERAL and isinstance(node, dict):
            for name, spec in node.items():
                node[name] = whole_numbers.of_spec(group, spec)
        elif group in config:
            config[group] = whole_numbers.of_spec(group, node)
    if "plugins" in config and (offered := plugins.offered(config)):
        config["plugins"] = list(dict.fromkeys([*config["plugins"], *offered]))
    return config


def without_unread(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without settings that its trainer does not read.

    An experiment sets them for the trainers that read them, and older runs have recorded them; typed ones are refused.
    """
    for key in settings.unread(config.get("trainer")):
        config["trainer"].pop(key, None)
    return config
