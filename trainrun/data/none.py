"""No data: for models whose output itself is minimised, such as `model=quadratic`."""

from __future__ import annotations

from trainrun.data.dataset import Dataset, Description, InputSpec, Split, TargetSpec


def none(*, examples: int = 1) -> Dataset:
    """Return placeholders: zeros as input `[examples, 1]` and as target, no validation or test part.

    Args:
        examples: number of placeholders; with `trainer.batch_size` it sets the number of steps per epoch.
    """
    import numpy as np

    zeros = np.zeros((examples, 1), "float32")
    target = TargetSpec("none")
    return Dataset("none", target.task, (InputSpec("nothing", "numeric", (1,)),), target, Split(zeros, zeros))


def describe(*, examples: int = 1) -> Description:
    """Return what is known without loading the data."""
    if examples < 1:
        return Description(problems=(("examples", f"expected at least 1, got {examples}."),))
    return Description.of(TargetSpec("none"), examples, ("numeric",))
