"""The diagnostics of a model's predictions for each of its outputs."""

from __future__ import annotations

from typing import Any

from trainrun.artifacts.diagnostics import Diagnostics, diagnose
from trainrun.data.dataset import Dataset, Split


def of_outputs(data: Dataset, split: Split, predictions: Any, part: str) -> dict[str, Diagnostics]:
    """Return the diagnostics of each output by name, of the only one under an empty name; those that there are.

    Args:
        data: with the targets.
        split: whose labels they are.
        predictions: as of `diagnose`; of several outputs, a dict by name.
        part: of the data.
    """
    each = {
        name: diagnose(one.target, split.output(name).y, predictions[name], part)
        if name
        else diagnose(one.target, split.y, predictions, part)
        for name, one in data.each().items()
    }
    return {name: diagnostics for name, diagnostics in each.items() if diagnostics is not None}
