"""Your own images: a folder for each class, or a table of paths and labels. They are decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from trainrun.data import _image_cache, _item_table
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._image_cache import FOLDER, ImageForm
from trainrun.data._item_table import ItemSettings
from trainrun.data._split_settings import settings_of
from trainrun.data.dataset import Dataset, Description, InputSpec
from trainrun.data.lazy_array import View
from trainrun.util import paths
from trainrun.util.arguments import Count, Decay, Index, Name, Sizes

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# Images whose sizes the preflight check compares.
SAMPLE = 100


def image_folder(
    *,
    path: str | None = None,
    image: Name | None = None,
    target: Name | None = None,
    positive: Name | None = "rarer",
    task: str = "auto",
    missing: Literal["error", "drop"] = "error",
    weight: Name | None = None,
    size: Sizes | None = None,
    channels: Literal[1, 3, 4] = 3,
    resize: Literal["stretch", "crop", "pad"] = "stretch",
    cache: str | None = None,
    split: str = "auto",
    group: Name | None = None,
    time: Name | None = None,
    part: Name | None = None,
    validation_path: str | None = None,
    test_path: str | None = None,
    folds: Count | None = None,
    fold: Index | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return the images as float32 in [0, 1], split.

    Args:
        path: the folder with a folder for each class (further folders in it belong to that class); or a table (CSV, Parquet, Feather)
            with a column of paths, which begin at the table's folder.
        image: of a table, the column of paths.
        target: of a table, the column to predict: classes or numbers.
        positive, task, weight: as in `data.csv.csv`.
        missing: of a table, rows without image, target or weight: ``error``, or ``drop`` them.
        size: height and width in pixels, or one number for both; None: that of the images, which must be the same.
        channels: 1 (grey), 3 (color) or 4 (with transparency).
        resize: ``stretch`` to the size, ``crop`` the middle, or ``pad`` with black.
        cache: folder of the decoded images; None: ``outputs/.cache/images``.
        split, group, time, part, folds, fold: of a table, as in `data.csv.csv`.
        validation_path, test_path: folder or table of the validation and the test set; None: split off.
        validation, test, stratify, standardize_target, seed: as in `data.csv.csv`.

    Raises:
        UserError: with all faults of the images, the table and the arguments.
    """
    table, splitting = settings_of(locals())
    items, faults = _item_table.read(
        ItemSettings("image", ENDINGS, (path, validation_path, test_path), image, table, splitting)
    )
    form, wrong = _form(size, channels, resize)
    raise_faults([*wrong, *faults])
    files = items.values if items.folder else _absolute(items.values, path)
    rows, shape = _image_cache.decoded(files, form, FOLDER if cache is None else paths.expanded(cache))
    step = {"scale": 1 / 255, "resize": resize if form.size else None}
    record = {"scale": step["scale"], "inputs": {"image": step}}
    spec = InputSpec("image", "image", (*shape, channels))
    return _item_table.dataset(items, spec, View.of(rows, scale=1 / 255), standardize_target, record)


def describe(
    *,
    path: str | None = None,
    image: Name | None = None,
    size: Any = None,
    channels: int = 3,
    resize: str = "stretch",
    validation_path: str | None = None,
    test_path: str | None = None,
    **arguments: Any,
) -> Description:
    """Return what folders, or the table, tell; of some images the sizes. Arguments as in `image_folder`."""
    table, splitting = settings_of(arguments | {"seed": 0})
    settings = ItemSettings("image", ENDINGS, (path, validation_path, test_path), image, table, splitting)
    form, faults = _form(size, channels, resize)
    items, wrong = _item_table.read(settings)
    if not faults and not wrong:
        files = items.values if items.folder else _absolute(items.values, path)
        some = files[:: max(1, len(files) // SAMPLE)]
        lost = [file for file in some if not Path(file).is_file()]
        faults += [("path", f"there is no image {file}.") for file in lost[: _image_cache.NAMED]]
        if form.size is None:
            faults += [("size", message) for message in _image_cache.size_faults(some)]
    return _item_table.description(items, splitting, "image", [*faults, *wrong])


def _form(size: Any, channels: int, resize: str) -> tuple[ImageForm, list[Fault]]:
    """Return what the images become, or the fault of the size."""
    sizes = [size, size] if isinstance(size, int) else size
    if sizes is not None and len(sizes) != 2:
        return ImageForm(None, channels, resize), [
            ("size", f"expected height and width, [128,128], got {sizes}.")
        ]
    return ImageForm(None if sizes is None else (int(sizes[0]), int(sizes[1])), channels, resize), []


def _absolute(files: Sequence[str], table: str) -> list[str]:
    """Return the paths of a table's images; relative ones begin at the table's folder."""
    folder = paths.expanded(table).parent
    return [str(folder / paths.expanded(file)) for file in files]
