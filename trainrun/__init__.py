"""trainrun: a command-line experiment runner for TensorFlow / Keras 3, driven by YAML.

Importing this package imports nothing heavy; TensorFlow comes with the first call that needs it.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["RunResult", "build", "compose", "optimizer_state", "register", "run"]

_WHERE = {
    "RunResult": "trainrun.api",
    "build": "trainrun.api",
    "compose": "trainrun.api",
    "run": "trainrun.api",
    "optimizer_state": "trainrun.checkpoint.optimizer_state",
    "register": "trainrun.registry.lookup",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'trainrun' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_WHERE[name])
    return module if name == "optimizer_state" else getattr(module, name)
