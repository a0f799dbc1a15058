"""The parts of Keras that import scikit-learn and matplotlib, imported when one of their names is first used.

Checked with Keras 3.15.1. Python's own `importlib.util.LazyLoader` postpones them.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

# `keras` and `keras.src` import them, and nothing else of Keras uses them.
POSTPONED = ("keras.visualization", "keras.src.visualization", "keras.wrappers")


class _Finder:
    """An entry of `sys.meta_path`."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in POSTPONED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def optional_parts_postponed() -> Iterator[None]:
    """Import Keras inside the `with` without scikit-learn, SciPy's statistics and matplotlib.

    For: a quarter of the time of `import tensorflow`, which imports Keras, where those libraries are installed.
    Public API: none. Checked: Keras 3.15.1. Missing: the import takes longer; tested.
    """
    sys.meta_path.insert(0, _Finder)
    try:
        yield
    finally:
        sys.meta_path.remove(_Finder)
