"""Which trials may be trained in one graph, by their configs alone; whether they can, their models tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.sweep.launchers import alike


def unfit(config: Mapping[str, Any], plugins: bool) -> str | None:
    """Return why a trial is trained by itself, or None.

    Args:
        config: of a trial, resolved.
        plugins: whether the user's own code takes part, which may keep any state.
    """
    return alike.unlike_all(config, plugins, "vectorizes")
