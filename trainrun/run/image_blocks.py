"""Predictions for the images of a folder or of a table's column of paths, by a model that takes them raw."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.data import _class_folders, _ignored_pixels, _image_pixels, image_folder
from trainrun.data._table_examples import TableSource
from trainrun.data.table_rows import TableRows
from trainrun.errors import Problem, UserError, first_line
from trainrun.run.array_blocks import Call, output_of
from trainrun.ui import console
from trainrun.util import paths

if TYPE_CHECKING:
    import keras
    import pyarrow as pa

    from trainrun.data.preprocessor import Preprocessor

# Column of a file's path, below its folder.
FILE = "file"
# Images of one size that are predicted at once.
IMAGES = 64


def are_images(data: Any, fitted: Preprocessor) -> bool:
    """Return whether data is the path of an image or of a folder, of which a model of images takes the files."""
    if [spec.kind for spec in fitted.inputs] != ["image"] or not isinstance(data, str | os.PathLike):
        return False
    return Path(data).is_dir() or Path(data).suffix.lower() in image_folder.ENDINGS


def of_images(
    raw: keras.Model, call: Call, path: str, keep: Sequence[str]
) -> Iterator[tuple[Any, TableRows]]:
    """Yield the model's output for the images of a folder in the order of their paths, some at a time.

    Args:
        raw: takes images of values from 0 to 255.
        call: the model, compiled.
        path: of the folder; those in it count, too, hidden files do not. Or of one image.
        keep: ``file``, the path below the folder, or nothing.

    Raises:
        UserError: there are none, or one cannot be read.
    """
    import pyarrow as pa

    if other := [name for name in keep if name != FILE]:
        raise UserError(Problem("keep", f"images have no column {other[0]!r}; their paths are {FILE!r}."))
    if not Path(path).exists():
        raise UserError(Problem("input", f"there is no image or folder {path}."))
    one = Path(path).is_file()
    folder = Path(path).parent if one else Path(path)
    others: list[str] = []
    files = (
        [Path(path)]
        if one
        else sorted(map(Path, _class_folders.files_below(folder, image_folder.ENDINGS, others)))
    )
    if not files:
        raise UserError(Problem("input", f"{path} has no images ({', '.join(image_folder.ENDINGS)})."))
    shape = raw.inputs[0].shape[1:]
    not_read = _class_folders.not_read(others, image_folder.ENDINGS, "images")
    for notice in filter(None, [not_read, *_ignored_pixels.notices([*map(str, files)], shape[-1])]):
        console.warn(notice)
    at = 0
    for block in of_one_size(image(file, shape) for file in files):
        names = [str(file.relative_to(folder)) for file in files[at : at + len(block)]]
        table: pa.Table = pa.table({FILE: names} if keep else {})
        yield output_of(raw, call, {raw.inputs[0].name: block}), TableRows({}, len(names), {}, {}, table)
        at += len(names)


def of_one_size(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield successive images of one size as one array, some at a time."""
    pending: list[np.ndarray] = []
    for image in images:
        if pending and (image.shape != pending[0].shape or len(pending) == IMAGES):
            yield np.stack(pending)
            pending = []
        pending.append(image)
    if pending:
        yield np.stack(pending)


def image(path: Path, shape: Sequence[int | None]) -> np.ndarray:
    """Return the pixels of a file, float32 `[height, width, channels]`.

    Args:
        path: of the file.
        shape: that the model takes; None: of any height or width.

    Raises:
        UserError: it cannot be read, or has another size.
    """
    try:
        pixels = _image_pixels.pixels_of(str(path), shape[-1]).astype("float32")
    except Exception as error:  # Pillow raises what its decoders make of a damaged file
        raise UserError(
            Problem("input", f"{path} cannot be read as an image: {first_line(error)}")
        ) from error
    sizes = ["x".join(map(str, of_one[:2])) for of_one in (pixels.shape, shape)]
    if None not in shape and sizes[0] != sizes[1]:
        text = f"{path} has {sizes[0]} pixels (height x width); the model takes {sizes[1]}, the size of its training images. Resize it; a model trained with data.size={list(shape[:2])} does so itself."
        raise UserError(Problem("input", text))
    return pixels


def of_table(
    source: TableSource, folder: Path, column: str, shape: Sequence[int | None], keep: Sequence[str]
) -> Iterator[tuple[np.ndarray, np.ndarray, pa.Table]]:
    """Yield images of one size, which of them a row names, and what is carried through.

    Args:
        source: the table.
        folder: at which paths begin.
        column: of the paths.
        shape: see `image`.
        keep: columns to carry through.

    Raises:
        UserError: an image cannot be read, or has another size.
    """
    blank = np.zeros([1 if n is None else n for n in shape])
    for table in source.blocks(list(dict.fromkeys([column, *keep]))):
        named = ["" if v is None else str(v).strip() for v in table.column(column).to_pylist()]
        files = [folder / paths.expanded(name) if name else None for name in named]
        present = [str(file) for file in files if file is not None]
        for notice in _ignored_pixels.notices(present, shape[-1]):
            console.warn(notice)
        known, further, at = np.array([bool(name) for name in named]), table.select(list(keep)), 0
        pixels = (blank if file is None else image(file, shape) for file in files)
        for block in of_one_size(pixels):
            yield block, known[at : at + len(block)], further.slice(at, len(block))
            at += len(block)
