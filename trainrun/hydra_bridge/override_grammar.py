"""Overrides parsed by Hydra's own grammar. This package parses them by `parse` only.

`config.override_text` needs no Hydra: the key of an override, and whether it concerns the sweep or Hydra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainrun.config import override_text
from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import hydra_errors


def parse(text: str, loader: Any = None) -> Any:
    """Return an override as Hydra's parser reads it (`hydra.core.override_parser.types.Override`).

    Args:
        text: as typed.
        loader: Hydra's config loader, which expands globs.

    Raises:
        UserError: it is not an override; the problem's key is the text.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        # `parse_overrides`, because `parse_override` (Hydra 1.3.8) forgets the loader.
        override = OverridesParser.create(config_loader=loader).parse_overrides([text])[0]
    except (HydraException, ValueError, RecursionError) as error:
        # Not caught by Hydra: ValueError for a number of thousands of digits, RecursionError for hundreds of brackets.
        raise UserError(Problem(text, hydra_errors.unparsable(text, error))) from error
    if not override.key_or_group:
        raise UserError(Problem(text, hydra_errors.unparsable(text, ValueError("no key"))))
    return override


def parse_or_none(text: Any) -> Any:
    """Return an override as `parse` does, or None if it is none."""
    try:
        return parse(text) if isinstance(text, str) and "=" in text else None
    except UserError:
        return None


def swept(override: str) -> bool:
    """Return whether an override has several values for a sweep."""
    return parse(override).is_sweep_override()


def identity(overrides: Sequence[str]) -> frozenset[Any]:
    """Return a key that is equal for equal points, in any order and spelling of their overrides: ``1e-3`` is ``0.001``."""
    return frozenset(
        (override_text.key(o), value(o)) for o in overrides if not override_text.is_about_the_sweep(o)
    )


def value(override: str) -> Any:
    """Return an override's value in a form that is equal for two spellings of it."""
    try:
        parsed = parse(override)
    except UserError:
        return override.partition("=")[2]
    if parsed.is_sweep_override():
        return " ".join(override.partition("=")[2].split())
    return _plain(parsed.value()), parsed.type.name if "DEL" in parsed.type.name else ""


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
