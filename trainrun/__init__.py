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
    "build",
    "compose",
    "minimize",
    "optimizer_state",
    "register",
    "run",
]

_WHERE = {
    "RunResult": "trainrun.api",
    "build": "trainrun.api",
    "compose": "trainrun.api",
    "minimize": "trainrun.api",
    "run": "trainrun.api",
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
    """Keep `trainrun.run` the function: Python binds the sub-package of that name over it when it is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "run" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
