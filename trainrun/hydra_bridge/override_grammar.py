"""Overrides read by Hydra's grammar: whether one is swept, and whether two mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainrun.config import override_text


def swept(override: str) -> bool:
    """Tell whether an override has several values, as those that a sweep varies."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(override).is_sweep_override()


def identity(overrides: Sequence[str]) -> frozenset[Any]:
    """Return what a point is, whatever the order and the spelling of its overrides: ``1e-3`` is ``0.001``."""
    return frozenset(
        (override_text.key(o), value(o)) for o in overrides if not override_text.is_about_the_sweep(o)
    )


def value(override: str) -> Any:
    """Return an override's value, so that two spellings of it are equal."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(override)
        if parsed.is_sweep_override():
            return " ".join(override.partition("=")[2].split())
        return _plain(parsed.value()), parsed.type.name if "DEL" in parsed.type.name else ""
    except (HydraException, ValueError):
        return override.partition("=")[2]


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, dict):
        return tuple(sorted((str(k), _plain(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return tuple(_plain(v) for v in value)
    return str(value)


def parsed(parser: Any, text: Any) -> Any:
    """Return an override as Hydra's parser reads it, or None: it is none."""
    from hydra.errors import HydraException

    try:
        return parser.parse_override(text) if isinstance(text, str) and "=" in text else None
    except (HydraException, ValueError, RecursionError):
        return None
