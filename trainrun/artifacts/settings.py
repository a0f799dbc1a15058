"""The configured artifacts of a run (`artifacts`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ArtifactSettings:
    """Artifacts of a run.

    Args:
        model: write `model.keras`; ``weights``: the weights only, as `model.weights.h5`.
        plots: draw `plots/*.png`.
        report: write `report.html`.
        weights: that are the model: of the epoch ``best`` on validation, of the ``last`` one (so it was in runs that do not
            record it), their exponential moving average, ``ema``, or the equal average of the last epochs, ``swa``.
        swa_start: the length of training after which ``swa`` begins to average.
        verify: load `model.keras` back and compare its predictions.
        wait: whether the command ends only when plots and report are drawn; None: unless it is on a terminal.
    """

    model: bool | Literal["weights"] = True
    plots: bool = True
    report: bool = True
    verify: bool = False
    weights: Literal["best", "last", "ema", "swa"] = "last"
    swa_start: str | int = "75%"
    wait: bool | None = None
