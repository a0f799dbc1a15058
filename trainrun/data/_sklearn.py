"""The datasets that come with scikit-learn."""

from __future__ import annotations

import gc
from typing import Any

from trainrun.util import imports


def loaded(function: str, **arguments: Any) -> Any:
    """Return what a function of `sklearn.datasets` returns.

    Args:
        function: its name, ``load_iris``.
        arguments: for the function.
    """
    # Frozen where TensorFlow is, so in trainrun's own processes only.
    with imports.collector_paused("sklearn", freeze=gc.get_freeze_count() > 0):
        from sklearn import datasets
    return getattr(datasets, function)(**arguments)
