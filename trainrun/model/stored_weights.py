"""The weights in a file by path or place (`trainrun.model.variable_paths`); the file may have been received, so none of it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import keras
import ml_dtypes
import numpy as np

from trainrun.errors import Problem, UserError, first_line
from trainrun.model import front, inspected_file, source_file, variable_paths
from trainrun.util import paths

# Groups at the top of a file that hold no weights of layers.
NO_LAYERS = ("optimizer", "_loss_tracker", "_metrics", "_compile_loss", "_compile_metrics")
# Levels of groups in a file; more are a loop.
DEEPEST = 64
# Exceptions raised for a damaged file.
READ_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError)


def read(file: Path, key: str) -> Mapping[str, np.ndarray]:
    """Return the weights of a file: of a `.keras` file by path, of a `.weights.h5` file by place.

    Args:
        file: exists; ends in one of these.
        key: for messages.

    Raises:
        UserError: the file is damaged, contains code, or would not fit into memory.
    """
    if file.name.endswith(source_file.KERAS):
        model = front.core(inspected_file.load(file, key))
        return {w.path: w.variable.numpy() for w in variable_paths.weights(model)}
    try:
        with h5py.File(file, "r") as content:
            layers = [
                layer
                for name, group in _children(content)
                if name not in NO_LAYERS and isinstance(group, h5py.Group)
                for layer in ([("", group)] if name == "vars" else _groups(group, (), 0))
            ]
            weights = [
                (f"{chain}/{number}".lstrip("/"), data)
                for chain, group in layers
                for number, data in _children(group)
            ]
            if faults := [name for name, data in weights if not _plain(data)]:
                raise ValueError(f"{faults[0]} holds no numbers of its own")
            if too_large := paths.room(sum(data.nbytes for _, data in weights)):
                raise ValueError(f"unpacked, {too_large}")
            return {name: _values(data) for name, data in weights}
    except READ_ERRORS as error:
        reason = first_line(error).rstrip(".")
        raise UserError(Problem(key, f"{file} is damaged: {reason}. Save or copy it anew.")) from error


def set_all(model: keras.Model, file: Path, key: str, of: str, way_out: str) -> None:
    """Set all weights of a model to those of a `.weights.h5` file.

    Args:
        model: built.
        file, key: as in `read`.
        of: the model in words, for a message.
        way_out: what to do about a file of another one.

    Raises:
        UserError: the file is damaged, or was made by another model.
    """
    stored = read(file, key)
    weights = variable_paths.weights(model)
    odd = [
        w.path for w in weights if w.place not in stored or stored[w.place].shape != tuple(w.variable.shape)
    ]
    if odd:
        text = f"{file} lacks, or has in another shape, {variable_paths.shown(odd)} of {of}. {way_out}"
        raise UserError(Problem(key, text))
    for weight in weights:
        weight.variable.assign(stored[weight.place])


def _groups(group: h5py.Group, around: tuple[str, ...], depth: int) -> Iterator[tuple[str, h5py.Group]]:
    """Yield each group of variables below a group, and the names of the layers around it."""
    if depth > DEEPEST:
        raise ValueError("its groups are nested too deeply")
    inside = dict(_children(group))
    own = inside.pop("vars", None)
    if isinstance(own, h5py.Group):
        around = (*around, str(own.attrs.get("name", group.name.rsplit("/", 1)[-1])))
        yield "/".join(around), own
    for child in inside.values():
        if isinstance(child, h5py.Group):
            yield from _groups(child, around, depth + 1)


def _children(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name}/{name} is a link to another place")
        yield name, group[name]


def _plain(data: h5py.Group | h5py.Dataset) -> bool:
    """Return whether an entry holds numbers, and holds them in this file."""
    return isinstance(data, h5py.Dataset) and not (
        data.is_virtual or data.external or data.dtype.kind not in "biufV" or data.dtype.hasobject
    )


def _values(data: h5py.Dataset) -> np.ndarray:
    values = np.array(data)
    # HDF5 has no bfloat16: Keras writes its bytes, and says so.
    return values.view(ml_dtypes.bfloat16) if str(data.attrs.get("dtype")) == "bfloat16" else values
