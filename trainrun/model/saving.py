"""A model into its file: whole or not at all, and without asking for the same names again and again."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import keras
from keras.src.backend.common import global_state
from keras.src.saving import saving_lib

# Kinds of parts of a model, of which Keras asks for the attributes that it passes over.
KINDS = ("Functional", "Layer", "Loss", "Metric", "Operation", "Optimizer", "Sequential")


def save(model: keras.Model, path: Path) -> None:
    """Write a model to a `.keras` file; what was there stays until all of it is written."""
    _remember()
    new = path.with_name(f".{path.name}")  # not `paths.whole`: Keras wants the ending
    try:
        model.save(new)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _remember() -> None:
    """Put those names where Keras looks for them.

    Keras (3.15) keeps them as `saving_attr_skipset_…` and looks for `saving_attr_skiplist_…`: for each part of a model it makes
    a layer, or an optimizer, to ask for its attributes. Of a small model's 13 ms that is 5.
    """
    for kind in KINDS:
        name = f"saving_attr_skiplist_{kind}"  # of this thread
        if global_state.get_global_attribute(name) is None:
            global_state.set_global_attribute(name, _passed_over(kind))


@functools.cache
def _passed_over(kind: str) -> set[str] | None:
    ask = getattr(saving_lib, "get_attr_skipset", None)
    return None if ask is None else ask(kind)
