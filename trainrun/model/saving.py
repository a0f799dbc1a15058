"""Saving a model to a `.keras` file, atomically."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from trainrun.compat import keras_model_private, keras_private
from trainrun.data import preprocessor
from trainrun.data.preprocessor import Preprocessor
from trainrun.model import lora


@contextmanager
def uncompiled(model: keras.Model) -> Iterator[None]:
    """Leave loss, metrics and optimizers of models inside a model out of what is saved of it."""
    layers = keras_model_private.all_layers(model, include_self=False)
    inside = [m for m in layers if isinstance(m, keras.Model) and m.compiled]
    optimizers = [m.optimizer for m in inside]
    for m in inside:
        m.compiled, m.optimizer = False, None
    try:
        yield
    finally:
        for m, optimizer in zip(inside, optimizers, strict=True):
            m.compiled, m.optimizer = True, optimizer


def save(model: keras.Model, path: Path, fitted: Preprocessor | None = None) -> None:
    """Write a model to a `.keras` file; a file that exists stays intact until the new one is complete.

    Args:
        model: of any kind.
        path: of the file.
        fitted: the record of what its inputs are made by; a member of the archive, which Keras does not read.

    Raises:
        OSError: the file cannot be written.
    """
    keras_private.cache_attributes_that_saving_skips()
    temporary = path.with_name(f".{path.name}")  # not `paths.whole`: Keras requires the suffix .keras
    try:
        with uncompiled(model):
            model.save(temporary)
        if lora.has_adapters(model):
            _merge_adapters(temporary)
        if fitted is not None:
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(preprocessor.FILE, fitted.to_json())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _merge_adapters(path: Path) -> None:
    """Take the adapters out of the config in a file; its kernels are merged already, but Keras would load adapters of zeros."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(lora.without_adapters(json.loads(members["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
