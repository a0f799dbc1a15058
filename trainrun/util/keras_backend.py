"""The backend that Keras will load, known without importing it."""

from __future__ import annotations

import json
import os
from pathlib import Path

TENSORFLOW = "tensorflow"


def foreign() -> tuple[str, str, str] | None:
    """Return what names another backend than TensorFlow, the backend, and the way out; None: Keras loads TensorFlow.

    As in Keras, the environment variable counts before the file.
    """
    if backend := os.environ.get("KERAS_BACKEND"):
        return None if backend == TENSORFLOW else ("KERAS_BACKEND", backend, "unset KERAS_BACKEND")
    home = os.environ.get("KERAS_HOME")
    if home is None:
        base = os.path.expanduser("~")
        home = os.path.join(base if os.access(base, os.W_OK) else "/tmp", ".keras")
    path = Path(home, "keras.json").expanduser()
    try:
        backend = json.loads(path.read_text(encoding="utf-8")).get("backend", TENSORFLOW)
    except (OSError, ValueError, AttributeError):
        return None  # Keras' own import says what is wrong with it
    if backend == TENSORFLOW:
        return None
    return str(path), str(backend), "export KERAS_BACKEND=tensorflow"
