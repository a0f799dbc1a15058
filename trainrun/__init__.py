"""trainrun: a command-line experiment runner for TensorFlow / Keras 3, driven by YAML.

Importing this package imports nothing heavy; TensorFlow comes with the first call that needs it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "Duration",
    "Range",
    "Reference",
    "RunPath",
    "RunResult",
    "TrainingLength",
    "TrainrunClassifier",
    "TrainrunRegressor",
    "build",
    "compare",
    "compose",
    "gc",
    "load",
    "minimize",
    "optimizer_state",
    "register",
    "report",
    "reproduce",
    "resume",
    "rm",
    "run",
    "runs",
    "sweep",
    "top",
    "why",
]

_WHERE = {
    **dict.fromkeys(("RunResult", "build", "compose", "load", "minimize", "run", "sweep"), "trainrun.api"),
    **dict.fromkeys(("TrainrunClassifier", "TrainrunRegressor"), "trainrun.estimators"),
    **dict.fromkeys(
        ("compare", "gc", "report", "reproduce", "resume", "rm", "runs", "top", "why"), "trainrun.verbs"
    ),
    "optimizer_state": "trainrun.checkpoint.optimizer_state",
    "register": "trainrun.registry.lookup",
    **dict.fromkeys(
        ("Duration", "Range", "Reference", "RunPath", "TrainingLength"), "trainrun.util.arguments"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'trainrun' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_WHERE[name])
    return module if name == "optimizer_state" else getattr(module, name)


class _Package(ModuleType):
    """Keep `trainrun.run` and `trainrun.sweep` functions: Python binds a sub-package over its name when it is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("run", "sweep") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
