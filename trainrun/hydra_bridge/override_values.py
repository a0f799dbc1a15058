"""Set one override in a composed config, or return the message why it does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trainrun.compat import omegaconf_private
from trainrun.errors import Problem, did_you_mean
from trainrun.registry import old_arguments
from trainrun.registry.hints import shown as _shown
from trainrun.util import decimal_digits

# Parts of Hydra's node that take any key; `hydra_node_rules` checks their content.
_HYDRA_OPEN = ("hydra.callbacks.", "hydra.job.env_set.", "hydra.job_logging.", "hydra.hydra_logging.")


def apply(config: Any, override: Any, groups: Mapping[str, list[str]]) -> Problem | None:
    """Set one `key=value` in the composed config; return the problem, or None."""
    from omegaconf import DictConfig, OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    key, value = override.key_or_group, override.value()
    parent_key, _, _ = key.rpartition(".")
    try:
        parent = OmegaConf.select(config, parent_key) if parent_key else config
    except OmegaConfBaseException:
        parent = None
    adds = override.is_add() or override.is_force_add()
    of_hydra = key.startswith("hydra.") and not key.startswith(_HYDRA_OPEN)
    if (of_hydra or not adds) and (missing := _first_missing(config, key)) is not None:
        return Problem(key, _unknown_key(config, missing, groups))
    try:
        if (
            override.is_add()
            and not isinstance(value, dict | list)
            and OmegaConf.select(config, key) is not None
        ):
            return Problem(
                key,
                f"it is there already, and + adds what is not. Leave the + out: {override.input_line[1:]}.",
            )
        if adds:
            with open_dict(parent if isinstance(parent, DictConfig) else config):
                OmegaConf.update(config, key, value, merge=True, force_add=True)
        else:
            OmegaConf.update(config, key, value, merge=True)
    except OmegaConfBaseException as error:
        return Problem(key, _wrong_type(key, value, error))
    return None


def _first_missing(config: Any, key: str) -> tuple[str, str] | None:
    """Return (parent, leaf) of the first part of a dotted key that the config does not have, and cannot take."""
    from omegaconf import DictConfig, ListConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    node, path = config, []
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(node, ListConfig):
            if (number := decimal_digits.number(part)) is None or number >= len(node):
                return ".".join(path), part
            node = node[number]
        elif isinstance(node, DictConfig) and part in node:
            try:
                node = omegaconf_private.child(node, part)
            except OmegaConfBaseException:
                return None  # it depends on the running job
        elif isinstance(node, DictConfig) and path and not OmegaConf.is_struct(node):
            return None  # the schema leaves it open (`tracking`); the preflight knows its keys
        else:
            return ".".join(path), part
        path.append(part)
    return None


def _unknown_key(config: Any, missing: tuple[str, str], groups: Mapping[str, list[str]]) -> str:
    from omegaconf import DictConfig, OmegaConf

    parent, leaf = missing
    node = OmegaConf.select(config, parent) if parent else config
    if not isinstance(node, DictConfig):
        return f"{parent} is {node!r}, which has no key {leaf!r} inside."
    known = [str(k) for k in node if k != "hydra"]
    if not parent:
        everything = sorted({*known, *(g for g in groups if not g.startswith("hydra"))})
        return old_arguments.unknown_key(leaf, OmegaConf.to_container(config), everything)
    # The chosen option's name says which keys these are: optimizer=adam.
    choices = OmegaConf.select(config, "hydra.runtime.choices") or {}
    group = parent.replace(".", "/")  # sweep.pruner is chosen by sweep/pruner=…
    owner = choices.get(group) or (node.get("name") if "name" in node else None)
    where = f" in {group if group in choices else parent}={owner}" if owner else f" in {parent}"
    if (today := old_arguments.today(parent, leaf)) is not None:
        return f"no such key{where}. {today}"
    settings = ", ".join(k for k in known if k not in ("name", "_target_"))
    takes = f" It takes {settings}." if settings else " It takes no keys."
    return f"no such key{where}.{did_you_mean(leaf, known)}{takes}"


def _wrong_type(key: str, value: Any, error: Exception) -> str:
    from trainrun.config import schema

    text = str(error).splitlines()[0]
    if extra := re.search(r"Key '(.*)' (?:is )?not in", text):
        if not isinstance(value, Mapping):
            return f"it has no key {extra[1]!r} inside. `trainrun --cfg all` shows which there are."
        return (
            f"a dictionary is merged into the one that is set, which has no key {extra[1]!r}. To add to it, write "
            f"++{key}={{…}}; to replace it, '~{key}' '+{key}={{…}}'."
        )
    match = re.search(r"(?:converted to|is not a valid|not a subclass of) '?(\w+)'?", text) or re.search(
        r"(\w+)\.?$", text
    )
    expected = match[1] if match else "another type"
    if expected in vars(schema) or expected in ("RunDir", "SweepDir", "JobConf"):
        return (
            f"expected keys and values, got {_shown(value)}. Its keys go by their full names: {key}.…=value."
        )
    words = {
        "Integer": "a whole number", "int": "a whole number", "Boolean": "true or false", "bool": "true or false",
        "Float": "a number", "float": "a number", "String": "text", "str": "text", "string": "text", "List": "a list", "ListConfig": "a list", "list": "a list", "tuple": "a list",
    }  # fmt: skip
    hint = f" Write [{value}]." if words.get(expected) == "a list" else ""
    return f"expected {words.get(expected, expected)}, got {_shown(value)}.{hint}"
