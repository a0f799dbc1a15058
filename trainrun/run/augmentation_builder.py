"""Config -> the augmentations of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.augment._sequence import Augmentations, Named
from trainrun.data.dataset import Dataset
from trainrun.registry import declaration_reader
from trainrun.registry.construct import construct


def augmentations(config: Mapping[str, Any], data: Dataset) -> Augmentations | None:
    """Return the augmentations of the training batches, or None.

    Args:
        config: resolved and checked.
        data: as loaded.
    """
    named = [
        Named(
            name,
            construct("augment", spec, key=f"augment.{name}", complete=True),
            declaration_reader.of("augment", spec["name"]),
        )
        for name, spec in (config.get("augment") or {}).items()
    ]
    return Augmentations(named, data.inputs, data.target) if named else None
