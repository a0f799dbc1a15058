"""Predictions for a table whose rows are texts, images or times of a series, and for a folder of texts, by a model that takes them raw."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.data import _class_folders, _text_files, table_rows, text, timeseries
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import raise_faults
from trainrun.data._table_examples import TableSource
from trainrun.data._table_settings import TableSettings
from trainrun.data.table_rows import TableRows
from trainrun.errors import Problem, UserError
from trainrun.run import image_blocks
from trainrun.run.array_blocks import blank, output_of
from trainrun.run.image_blocks import FILE
from trainrun.ui import console
from trainrun.util import paths

if TYPE_CHECKING:
    import keras
    import pyarrow as pa

    from trainrun.data.preprocessor import Preprocessor

Call = Callable[[Any], Any]
Blocks = Iterator[tuple[Any, TableRows]]
# The setting that names a table's column of items, by kind of data.
ITEM = {"text": "text", "image_folder": "image"}


def takes(data: Any, spec: Mapping[str, Any] | None, fitted: Preprocessor) -> bool:
    """Return whether data is a table of texts, images or times, or a folder of texts, as a run of such data takes it.

    Args:
        data: the path of a file or folder, or a value in memory.
        spec: the run's `data`; None: it is not known.
        fitted: of the run's model.
    """
    kind = None if spec is None or fitted.table else spec["name"]
    if kind not in (*ITEM, "timeseries"):
        return False
    if not isinstance(data, str | os.PathLike):  # a DataFrame has no folder at which paths of images begin
        return kind != "image_folder" and hasattr(data, "columns")
    if Path(data).is_dir():
        return kind == "text"
    if are_texts(data, spec):
        return True
    if Path(data).suffix == ".npz" or image_blocks.are_images(data, fitted):
        return False
    return kind not in ITEM or spec[ITEM[kind]] is not None


def are_texts(path: str | os.PathLike[str], spec: Mapping[str, Any]) -> bool:
    """Return whether a run of texts takes a path as a folder of .txt files, or as one; a run of a table's texts may have a table in it."""
    one = spec.get(ITEM["text"]) is None and Path(path).suffix.lower() in text.ENDINGS
    return spec["name"] == "text" and (Path(path).is_dir() or one)


def kept(data: Any, spec: Mapping[str, Any] | None, fitted: Preprocessor, keep: Sequence[str]) -> list[str]:
    """Return the columns to carry through: each file's path, series and time of a file's time series, and those that are wanted.

    Args:
        data, spec, fitted: as in `takes`.
        keep: those that are wanted.
    """
    names: list[Any] = []
    if isinstance(data, str | os.PathLike):  # a DataFrame has its index
        is_taken = takes(data, spec, fitted)
        if image_blocks.are_images(data, fitted) or (is_taken and are_texts(data, spec)):
            names = [FILE]
        elif is_taken and spec["name"] != "text":
            names = [spec["image"]] if spec["name"] in ITEM else [spec["series"], spec["time"]]
    return list(dict.fromkeys(str(name) for name in (*names, *keep) if name is not None))


def open_rows(
    data: Any, spec: Mapping[str, Any], fitted: Preprocessor, keep: Sequence[str], announces: bool = True
) -> TableSource:
    """Return the table of a file or a DataFrame.

    Args:
        data, spec, fitted: as in `takes`.
        keep: columns that are wanted, too.
        announces: as in `table_rows.open_rows`.

    Raises:
        UserError: the file cannot be read, or lacks columns.
    """
    source = table_rows.open_rows(data, None, CsvFormat.of(spec), announces)
    raise_faults(table_rows.further_faults(source, [*_columns(spec, fitted), *keep]))
    return source


def columns_of_windows(fitted: Preprocessor) -> dict[str, Any]:
    """Return the setting `features` of a time series: the columns that the model was trained on."""
    return {"features": list(_fill(fitted))[1:]}


def _fill(fitted: Preprocessor) -> Mapping[str, float]:
    """Return what stands for missing values of each column of a time series, the target first.

    Raises:
        UserError: it is not recorded.
    """
    if (fill := fitted.steps.get(timeseries.INPUT, {}).get("fill")) is None:
        text = "its columns and the values for missing ones are not recorded, as an earlier trainrun has trained it. Train it anew."
        raise UserError(Problem("model", text))
    return fill


def without_input(spec: Mapping[str, Any]) -> str:
    """Return why a row has no prediction."""
    if spec["name"] in ITEM:
        return f"it has no {ITEM[spec['name']]}"
    return f"their window of {spec['window']} rows is not complete"


def _columns(spec: Mapping[str, Any], fitted: Preprocessor) -> list[str]:
    """Return the columns that a table must have."""
    if spec["name"] in ITEM:
        return [str(spec[ITEM[spec["name"]]])]
    features = columns_of_windows(fitted)["features"]
    named = (spec["target"], spec["time"], spec["series"], *features)
    return [str(name) for name in named if name is not None]


def of(
    raw: keras.Model,
    call: Call,
    fitted: Preprocessor,
    data: Any,
    spec: Mapping[str, Any],
    keep: Sequence[str],
    size: int,
) -> Blocks:
    """Yield the model's output for the rows of a table or the texts of a folder, some at a time; NaN for those without an input.

    Args:
        raw: takes texts or windows as they are in the file.
        call: the model, compiled.
        fitted, data, spec: as in `takes`.
        keep: columns to carry through; of a folder ``file``, the path below it.
        size: rows at once.

    Raises:
        UserError: the data cannot be read, or does not fit the model.
    """
    if isinstance(data, str | os.PathLike) and are_texts(data, spec):
        blocks = _folder(Path(data), spec, keep, size)
    elif spec["name"] == "text":
        blocks = _texts(open_rows(data, spec, fitted, keep), str(spec["text"]), keep, size)
    elif spec["name"] == "image_folder":
        folder, shape = paths.expanded(data).parent, raw.inputs[0].shape[1:]
        source = open_rows(data, spec, fitted, keep)
        blocks = image_blocks.of_table(source, folder, str(spec["image"]), shape, keep)
    else:
        blocks = _windows(open_rows(data, spec, fitted, keep), spec, fitted, keep, size)
    for x, known, further in blocks:
        output = output_of(raw, call, {raw.inputs[0].name: x})
        rows = TableRows({}, len(known), {}, {}, further)
        yield blank(output, known), rows


def _texts(
    source: TableSource, column: str, keep: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, pa.Table]]:
    """Yield texts `[n, 1]`, which of them are not missing, and what is carried through."""
    missing = TableSettings().missing_words  # as in training
    for table in source.blocks(list(dict.fromkeys([column, *keep]))):
        for at in range(0, table.num_rows, size):
            part = table.slice(at, size)
            values = ["" if v is None else str(v) for v in part.column(column).to_pylist()]
            known = np.array([v.strip().lower() not in missing for v in values])
            yield _column(values), known, part.select(list(keep))


def _folder(
    folder: Path, spec: Mapping[str, Any], keep: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, pa.Table]]:
    """Yield the texts of a folder's files, or of one file, as `_texts` does, in the order of their paths."""
    import pyarrow as pa

    if other := [name for name in keep if name != FILE]:
        raise UserError(Problem("keep", f"texts have no column {other[0]!r}; their paths are {FILE!r}."))
    others: list[str] = []
    files, root = [folder], folder.parent
    if not folder.is_file():
        files, root = sorted(map(Path, _class_folders.files_below(folder, text.ENDINGS, others))), folder
    if not folder.exists():
        raise UserError(Problem("input", f"there is no text {folder}."))
    if not files:
        raise UserError(Problem("input", f"{folder} has no texts ({', '.join(text.ENDINGS)})."))
    if others:
        console.warn(_class_folders.not_read(others, text.ENDINGS, "texts"))
    warned = False
    for at in range(0, len(files), size):
        part = files[at : at + size]
        values, faults, warning = _text_files.read_later([str(file) for file in part], spec["encoding"])
        raise_faults(faults)
        if warning and not warned:
            console.warn(warning)
            warned = True
        names = [str(file.relative_to(root)) for file in part]
        yield (
            _column(values),
            np.array([bool(v.strip()) for v in values]),
            pa.table(dict.fromkeys(keep, names)),
        )


def _column(texts: Sequence[str]) -> np.ndarray:
    return np.array(texts, object).reshape(-1, 1)


def _windows(
    source: TableSource, spec: Mapping[str, Any], fitted: Preprocessor, keep: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, pa.Table]]:
    """Yield the window that ends at each row, whether the row has as many before it, and what is carried through.

    The windows of the others are zeros.
    """
    import pyarrow as pa

    windows, ends = timeseries.ending(source, {**spec, **columns_of_windows(fitted)}, _fill(fitted))
    if windows.shape[1:] != tuple(fitted.inputs[0].shape):
        text = f"a window has the shape {list(windows.shape[1:])}; the model takes {list(fitted.inputs[0].shape)}. Name data.features."
        raise UserError(Problem("data", text))
    kept = pa.concat_tables(source.blocks(list(keep))) if keep else None
    for at in range(0, len(ends), size):
        of_rows = ends[at : at + size]
        known = of_rows >= 0
        x = np.zeros((len(of_rows), *windows.shape[1:]), windows.dtype)
        x[known] = windows[of_rows[known]]
        yield x, known, pa.table({}) if kept is None else kept.slice(at, size)
