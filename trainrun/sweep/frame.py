"""The trials of a sweep as a `pandas.DataFrame`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainrun.config import override_text
from trainrun.sweep.trial import Trial

if TYPE_CHECKING:
    import pandas as pd


def of(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return a row per trial, indexed by its number: its status, what the sweep varies, its epochs, seconds and metrics."""
    import pandas as pd

    rows = [
        {
            "trial": t.number,
            "status": t.status,
            **{override_text.key(o): _typed(o.partition("=")[2]) for o in t.varied},
            "epochs": t.epochs,
            "seconds": t.seconds,
            **t.metrics,
        }
        for t in trials
    ]
    return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()


def _typed(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
