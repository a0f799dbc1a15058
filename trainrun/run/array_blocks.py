"""Predictions for arrays of an .npz file and for the images of a folder, by a model that takes them raw."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.data import _image_cache, image_folder
from trainrun.data.table_rows import TableRows
from trainrun.errors import Problem, UserError, did_you_mean

if TYPE_CHECKING:
    import keras
    import pyarrow as pa

    from trainrun.data.preprocessor import Preprocessor

# Column of an image's path, below its folder.
FILE = "file"
# Images of one size that are predicted at once.
IMAGES = 64


def of_npz(
    raw: keras.Model, fitted: Preprocessor, path: str, keep: Sequence[str], size: int
) -> Iterator[tuple[Any, TableRows]]:
    """Yield the model's output for the rows of arrays, some at a time, with the arrays that are carried through.

    Args:
        raw: takes raw arrays.
        fitted: of the model.
        path: of the file.
        keep: arrays of one axis to carry through.
        size: rows at once.

    Raises:
        UserError: the file cannot be read, or its arrays do not fit the model.
    """
    import pyarrow as pa

    try:
        with np.load(path, allow_pickle=False) as file:
            present = list(file.files)
            names = _names(raw, fitted, present, keep)
            missing = [name for name in (*names.values(), *keep) if name not in present]
            if missing:
                raise UserError([
                    Problem("input", f"{path} has no array {name!r}.{did_you_mean(name, present)} It has {', '.join(present)}.")
                    for name in missing
                ])  # fmt: skip
            arrays = {tensor: file[name] for tensor, name in names.items()}
            kept = {name: file[name] for name in keep}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(Problem("input", f"{path} cannot be read as arrays: {error}")) from error
    _check_shapes(raw, names, arrays, kept)
    count = len(next(iter(arrays.values())))
    for at in range(0, count, size):
        part = slice(at, min(at + size, count))
        rows = TableRows(
            {}, part.stop - at, {}, {}, pa.table({k: pa.array(v[part]) for k, v in kept.items()})
        )
        yield _output(raw, {name: array[part] for name, array in arrays.items()}), rows


def of_images(raw: keras.Model, path: str, keep: Sequence[str]) -> Iterator[tuple[Any, TableRows]]:
    """Yield the model's output for the images of a folder in the order of their paths, some at a time.

    Args:
        raw: takes images of values from 0 to 255.
        path: of the folder; those in it count, too.
        keep: ``file``, the path below the folder, or nothing.

    Raises:
        UserError: there are none, or one cannot be read.
    """
    import pyarrow as pa

    if other := [name for name in keep if name != FILE]:
        raise UserError(Problem("keep", f"images have no column {other[0]!r}; their paths are {FILE!r}."))
    folder = Path(path)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in image_folder.ENDINGS and p.is_file())
    if not files:
        raise UserError(Problem("input", f"{path} has no images ({', '.join(image_folder.ENDINGS)})."))
    channels = raw.inputs[0].shape[-1]
    pending: list[np.ndarray] = []
    names: list[str] = []

    def block() -> tuple[Any, TableRows]:
        table: pa.Table = pa.table({FILE: names} if keep else {})
        rows = TableRows({}, len(names), {}, {}, table)
        return _output(raw, {raw.inputs[0].name: np.stack(pending)}), rows

    for file in files:
        image = _image(file, channels)
        if pending and (image.shape != pending[0].shape or len(pending) == IMAGES):
            yield block()
            pending, names = [], []
        pending.append(image)
        names.append(str(file.relative_to(folder)))
    yield block()


def _image(path: Path, channels: int) -> np.ndarray:
    try:
        return _image_cache.pixels_of(str(path), channels).astype("float32")
    except (OSError, ValueError) as error:
        raise UserError(Problem("input", f"{path} cannot be read as an image: {error}")) from error


def _names(
    raw: keras.Model, fitted: Preprocessor, present: Sequence[str], keep: Sequence[str]
) -> dict[str, str]:
    """Return the array of each input of the model; the only input may have another name in the file."""
    if len(raw.inputs) > 1:
        return {tensor.name: tensor.name for tensor in raw.inputs}
    own = raw.inputs[0].name
    others = [name for name in present if name not in keep]
    chosen = next((n for n in (own, fitted.inputs[0].name, "x") if n in present), None)
    return {own: chosen or (others[0] if len(others) == 1 else "x")}


def _check_shapes(
    raw: keras.Model,
    names: Mapping[str, str],
    arrays: Mapping[str, np.ndarray],
    kept: Mapping[str, np.ndarray],
) -> None:
    problems = []
    count = len(next(iter(arrays.values()))) if all(a.ndim for a in arrays.values()) else 0
    for tensor in raw.inputs:
        array, expected = arrays[tensor.name], tuple(tensor.shape[1:])
        fits = array.ndim == len(expected) + 1 and all(
            e is None or e == n for e, n in zip(expected, array.shape[1:], strict=True)
        )
        if not fits or len(array) != count:
            shape = ", ".join(["rows", *("any" if e is None else str(e) for e in expected)])
            problems.append(
                Problem(
                    names[tensor.name],
                    f"expected shape [{shape}], got {list(array.shape)}; all arrays have one number of rows.",
                )
            )
    for name, array in kept.items():
        if array.shape != (count,):
            problems.append(
                Problem("keep", f"{name} has shape {list(array.shape)}, expected [{count}]: one value a row.")
            )
    if problems:
        raise UserError(problems)


def _output(raw: keras.Model, arrays: Mapping[str, np.ndarray]) -> Any:
    import keras

    typed = {t.name: np.asarray(arrays[t.name], t.dtype) for t in raw.inputs}
    x = typed if isinstance(raw.input, dict) else next(iter(typed.values()))
    return keras.tree.map_structure(lambda t: np.array(t), raw(x, training=False))
