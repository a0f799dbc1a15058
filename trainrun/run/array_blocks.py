"""Predictions for arrays of an .npz file or in memory, by a model that takes them raw."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.data import _npz_file
from trainrun.data._handed_over import not_dense
from trainrun.data.table_rows import TableRows
from trainrun.errors import Problem, UserError, did_you_mean, first_line

if TYPE_CHECKING:
    import keras

    from trainrun.data.preprocessor import Preprocessor

Call = Callable[[Any], Any]


def of_npz(
    raw: keras.Model,
    call: Call,
    fitted: Preprocessor,
    path: str,
    keep: Sequence[str],
    size: int,
    key: str | None = None,
) -> Iterator[tuple[Any, TableRows]]:
    """Yield the model's output for the rows of arrays, some at a time, with the arrays that are carried through.

    Args:
        raw: takes raw arrays.
        call: the model, compiled.
        fitted: of the model.
        path: of the file.
        keep: arrays of one axis to carry through.
        size: rows at once.
        key: the name of the only input's array in the training file (`data.x`); None: it is not known.

    Raises:
        UserError: the file cannot be read, or its arrays do not fit the model; the rows before the fault were yielded.
    """
    try:
        with zipfile.ZipFile(path) as archive, contextlib.ExitStack() as stack:
            present = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

            def stream(name: str) -> _npz_file.Stream:
                return _npz_file.Stream(stack.enter_context(archive.open(f"{name}.npy")))

            names = _names(raw, fitted, present, keep, key)
            yield from _blocks(raw, call, names, present, stream, keep, size, path)
    except _npz_file.DAMAGED as error:
        text = f"{path} cannot be read as arrays: {_npz_file.first_line(error)}"
        raise UserError(Problem("input", text)) from error


def of_arrays(
    raw: keras.Model,
    call: Call,
    fitted: Preprocessor,
    arrays: Mapping[str, Any],
    keep: Sequence[str],
    size: int,
    key: str | None = None,
) -> Iterator[tuple[Any, TableRows]]:
    """Yield the model's output for arrays in memory, some rows at a time, with the arrays that are carried through.

    Args:
        raw, call, fitted, keep, size, key: as in `of_npz`.
        arrays: by name.

    Raises:
        UserError: the arrays do not fit the model.
    """
    names = _names(raw, fitted, list(arrays), keep, key)
    return _blocks(raw, call, names, list(arrays), lambda name: _InMemory(arrays[name]), keep, size, "data")


class _WithChannel:
    """An array of images in grey `[rows, height, width]`, read as the `[rows, height, width, 1]` that training makes of it."""

    def __init__(self, array: _npz_file.Stream | _InMemory) -> None:
        self._array = array
        self.shape = (*array.shape, 1)

    def take(self, count: int) -> np.ndarray:
        return self._array.take(count)[..., None]


class _InMemory:
    """An array, read as `_npz_file.Stream` is.

    Raises:
        UserError: it is none, or not all of its values are those that numpy makes of it.
    """

    def __init__(self, array: Any) -> None:
        if way_out := not_dense(array):
            raise UserError(Problem("data", f"the array {way_out}"))
        try:
            self._array, self._at = np.asarray(array), 0
        except ValueError as error:
            text = f"expected an array, or arrays by name; got a {type(array).__name__}: {first_line(error)}"
            raise UserError(Problem("data", text)) from error
        self.shape = self._array.shape

    def take(self, count: int) -> np.ndarray:
        self._at += count
        return self._array[self._at - count : self._at]


def _blocks(
    raw: keras.Model,
    call: Call,
    names: Mapping[str, str],
    present: Sequence[str],
    stream: Callable[[str], _npz_file.Stream | _InMemory],
    keep: Sequence[str],
    size: int,
    origin: str,
) -> Iterator[tuple[Any, TableRows]]:
    import pyarrow as pa

    missing = [name for name in (*names.values(), *keep) if name not in present]
    if missing:
        raise UserError([
            Problem("input", f"{origin} has no array {name!r}.{did_you_mean(name, present)} It has {', '.join(present)}.")
            for name in missing
        ])  # fmt: skip
    arrays = {
        tensor.name: _as_taken(stream(names[tensor.name]), tuple(tensor.shape[1:])) for tensor in raw.inputs
    }
    kept = {name: stream(name) for name in keep}
    _check_shapes(raw, names, arrays, kept)
    count = next(iter(arrays.values())).shape[0]
    for at in range(0, count, size):
        rows = min(size, count - at)
        table = pa.table({name: pa.array(array.take(rows)) for name, array in kept.items()})
        block = {name: array.take(rows) for name, array in arrays.items()}
        yield output_of(raw, call, block), TableRows({}, rows, {}, {}, table)


def _as_taken(array: Any, expected: tuple[int | None, ...]) -> Any:
    """Return an array with the axis of one channel that images lack."""
    lacks_channel = len(expected) == 3 and expected[-1] == 1 and len(array.shape) == 3
    return _WithChannel(array) if lacks_channel else array


def _names(
    raw: keras.Model, fitted: Preprocessor, present: Sequence[str], keep: Sequence[str], key: str | None
) -> dict[str, str]:
    """Return the array of each input of the model; the only input may have another name in the file."""
    if len(raw.inputs) > 1:
        return {tensor.name: tensor.name for tensor in raw.inputs}
    own = raw.inputs[0].name
    others = [name for name in present if name not in keep]
    chosen = next((n for n in (key, own, fitted.inputs[0].name, "x") if n in present), None)
    return {own: chosen or (others[0] if len(others) == 1 else key or "x")}


def _check_shapes(
    raw: keras.Model,
    names: Mapping[str, str],
    arrays: Mapping[str, _npz_file.Stream | _InMemory],
    kept: Mapping[str, _npz_file.Stream | _InMemory],
) -> None:
    problems = []
    count = next(iter(arrays.values())).shape[0] if all(a.shape for a in arrays.values()) else 0
    for tensor in raw.inputs:
        array, expected = arrays[tensor.name], tuple(tensor.shape[1:])
        fits = len(array.shape) == len(expected) + 1 and all(
            e is None or e == n for e, n in zip(expected, array.shape[1:], strict=True)
        )
        if not fits or array.shape[0] != count:
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


def output_of(raw: keras.Model, call: Call, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the model's output for raw arrays by the names of its inputs; NaN for rows of which a number is missing or infinite."""
    import keras

    typed = {
        t.name: np.asarray(arrays[t.name], object if t.dtype == "string" else t.dtype) for t in raw.inputs
    }
    x = typed if isinstance(raw.input, dict) else next(iter(typed.values()))
    return only_complete(keras.tree.map_structure(lambda t: np.array(t), call(x)), typed.values())


def only_complete(output: Any, arrays: Iterable[np.ndarray]) -> Any:
    """Return a model's output with NaN for the rows of which a number is missing or infinite.

    TensorFlow's fused ReLU makes 0 of NaN, so that such a row would get a prediction.

    Args:
        output: an array, or a dict of arrays; it is changed.
        arrays: the model's inputs.
    """
    for array in arrays:
        if array.dtype.kind == "f":
            lacking = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
            blank(output, ~lacking)
    return output


def blank(output: Any, known: np.ndarray) -> Any:
    """Return a model's output, changed to NaN for the rows that are not known.

    Args:
        output: an array, or a dict of arrays.
        known: a truth value for each row.
    """
    for one in output.values() if isinstance(output, dict) else [output]:
        one[~known] = np.nan
    return output
