"""Keys that have moved: an error that names the new key, and a translation of recorded configs and overrides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config import schema
from trainrun.errors import Problem
from trainrun.registry import option_files

# Old key -> new key; keys below one move with it.
MOVED = {
    "on_failure": "failure",
    "objective": "sweep.objective",
    "direction": "sweep.direction",
    "sweep.seeds": "seeds",
}
PRUNER = "sweep.pruner"  # it was a name, or a mapping with `name`; it is an option of its own group
_TYPED = re.compile(r"(?P<sign>[+~]*)(?P<key>[\w.]+)(?P<rest>=.*)?", re.DOTALL)


def renamed(key: str) -> str | None:
    """Return where a dotted key has moved to, or None."""
    for old, new in MOVED.items():
        if key == old or key.startswith(f"{old}."):
            return new + key[len(old) :]
    return None


def current(key: str) -> str:
    """Return today's name of a recorded key."""
    return renamed(key) or key


def typed(overrides: Sequence[str]) -> list[Problem]:
    """Return a problem for each override that was typed with a key that has moved."""
    return [p for text in overrides if (p := _problem(text)) is not None]


def _problem(text: str) -> Problem | None:
    current = translated(text)
    if current == [text]:
        return None
    return Problem(text.partition("=")[0].strip(), f"it has moved. Write {' '.join(current)}.")


def written(key: str) -> str | None:
    """Return the message for a key of a YAML file that has moved, or None."""
    new = renamed(key)
    return None if new is None else f"it has moved. Write {new} instead."


def translated(text: str) -> list[str]:
    """Return an override in today's keys: itself, or those that replace it."""
    override = _TYPED.fullmatch(text)
    if override is None:
        return [text]
    rest = override["rest"] or ""
    if override["key"] == PRUNER and rest:
        return _pruner(rest[1:].strip())
    new = renamed(override["key"])
    return [text] if new is None else [f"{override['sign']}{new}{rest}"]


def _pruner(value: str) -> list[str]:
    """Return `sweep.pruner=asha`, or `{name: asha, reduction_factor: 4}`, as overrides in today's keys."""
    if not value.startswith("{"):
        name = value.strip("'\"")
        return [f"{schema.PRUNERS}={'none' if name in ('null', '') else name}"]
    pairs = [pair.partition(":") for pair in value.strip("{}").split(",")]
    settings = {key.strip(): setting.strip() for key, _, setting in pairs}
    name = settings.pop("name", "none")
    return [f"{schema.PRUNERS}={name}", *(f"{PRUNER}.{k}={v}" for k, v in settings.items())]


def overrides(recorded: Sequence[str]) -> list[str]:
    """Return recorded overrides in today's keys."""
    return [current for text in recorded for current in translated(text)]


def tree(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a recorded run, or a YAML of the root, in today's keys.

    Args:
        recorded: plain values; other keys stay as they are.
    """
    config = {
        k: dict(v) if k in schema.SETTINGS and isinstance(v, Mapping) else v for k, v in recorded.items()
    }
    for old, new in MOVED.items():
        *folders, leaf = old.split(".")
        source: Any = config.get(folders[0]) if folders else config
        if not isinstance(source, dict) or leaf not in source:
            continue
        value = source.pop(leaf)
        *folders, leaf = new.split(".")
        target = config.setdefault(folders[0], {}) if folders else config
        # `sweep.objective` took the value of `objective` where it had none of its own; so with the seeds.
        unset = (None, "auto", f"${{{old}}}")
        if isinstance(target, dict) and target.get(leaf) in unset and value != f"${{{new}}}":
            target[leaf] = value
    sweep = config.get("sweep")
    if isinstance(sweep, dict) and "pruner" in sweep:
        sweep["pruner"] = pruner(sweep["pruner"])
    return config


def is_current(conf: Path) -> bool:
    """Return whether a copy of trainrun's conf/, as a sweep keeps one, has today's groups."""
    return (conf / schema.PRUNERS).is_dir()


def pruner(recorded: Any) -> Any:
    """Return a recorded pruner as a mapping with all of its settings; a value that names no pruner is returned unchanged."""
    spec = {"name": recorded or "none"} if recorded is None or isinstance(recorded, str) else recorded
    option = (
        option_files.packaged(schema.PRUNERS).get(spec.get("name", "")) if isinstance(spec, Mapping) else None
    )
    return recorded if option is None else {**option.values, **spec}
