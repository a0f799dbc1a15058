"""Your own images: a folder for each class, a folder with masks beside it, or a table of paths and labels. Each is decoded once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from trainrun.data import _ignored_pixels, _image_cache, _item_table, _mask_images, _table_files
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._image_cache import FOLDER
from trainrun.data._image_decoding import ImageForm
from trainrun.data._image_pixels import OF_LABELS
from trainrun.data._item_table import Items, ItemSettings
from trainrun.data._split_settings import settings_of
from trainrun.data._table_files import Paths
from trainrun.data.dataset import Dataset, Description, InputSpec
from trainrun.data.lazy_array import View
from trainrun.errors import Problem, UserError
from trainrun.util import paths
from trainrun.util.arguments import Count, Decay, Index, Name, Sizes

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# Images that the preflight check looks at.
SAMPLE = 100


def image_folder(
    *,
    path: str | None = None,
    image: Name | None = None,
    mask: Name | None = None,
    target: Name | Sequence[Name] | None = None,
    positive: Name | Mapping[Name, Name] | None = "rarer",
    task: Any = "auto",
    label_separator: str | None = None,
    missing: Literal["auto", "error", "drop"] = "auto",
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
    validation_sets: Mapping[str, str] | None = None,
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
        mask: for segmentation: the folder of masks, which have the names of the images in the folder `path` (no folders of classes then)
            and are beside those of the other parts in the same way; of a table, the column of the masks' paths. The
            numbers of the pixels are the classes; colours are refused. They are resized by nearest neighbours.
        target: of a table, the column to predict: classes or numbers; or several, each an output of the model.
        positive, task, label_separator, weight: as in `data.csv.csv`.
        missing: of a table, rows without image, target or weight: ``auto`` and ``drop`` leave them out; ``error``.
        size: height and width in pixels, or one number for both; None: that of the images, which must be the same.
        channels: 1 (grey), 3 (color) or 4 (with transparency, which others leave out; the colours beneath are kept).
        resize: ``stretch`` to the size, ``crop`` the middle, or ``pad`` with black.
        cache: folder of the decoded images; None: ``outputs/.cache/images``.
        split, group, time, part, folds, fold: of a table, as in `data.csv.csv`.
        validation_path, test_path: folder or table of the validation and the test set; None: split off.
        validation_sets: those of further validation sets by name.
        validation, test, stratify, standardize_target, seed: as in `data.csv.csv`.

    Raises:
        UserError: with all faults of the images, the table and the arguments.
    """
    folders = _table_files.paths_of(locals())
    items, faults = _items(locals())
    form, wrong = _form(size, channels, resize)
    raise_faults([*wrong, *faults])
    files = _located(items, items.values, folders)
    folder = FOLDER if cache is None else paths.expanded(cache)
    try:
        rows, contents = _image_cache.decoded(files, form, folder)
    except OSError as error:
        text = f"{error.filename or folder} cannot be written: {error.strerror}. Name a folder of your own."
        raise UserError(Problem("data.cache", text)) from error
    shape = rows.shape[1:3]
    notices = _ignored_pixels.notices(files, channels, "data.channels=4 keeps it.")
    if items.masks:
        of_masks = _located(items, items.masks, folders)
        target, labels, masks = _mask_images.labels(of_masks, form, folder)
        notices += _ignored_pixels.notices(of_masks, OF_LABELS)
        every = max(1, len(files) // SAMPLE)
        beside = _mask_images.other_proportions(files[::every], of_masks[::every])
        if target.shape != shape:
            sizes = [" x ".join(map(str, one)) for one in (shape, target.shape)]
            text = f"the images have {sizes[0]} pixels and the masks {sizes[1]}. {beside or 'Set data.size.'}"
            raise UserError(Problem("data.mask", text))
        notices += [beside] if beside else []
        notices += _mask_images.unseen_numbers(labels, target.classes, items.parts[0], items.held_out())
        examples = dataclasses.replace(items.examples, target=target, labels=labels)
        items = dataclasses.replace(items, examples=examples, masks=masks)
    step = {"scale": 1 / 255, "resize": resize if form.size else None}
    record = {"scale": step["scale"], "inputs": {"image": step}}
    spec = InputSpec("image", "image", (*shape, channels))
    items = dataclasses.replace(items, values=contents)
    return _item_table.dataset(items, spec, View.of(rows, scale=1 / 255), standardize_target, record, notices)


def describe(
    *, size: Any = None, channels: int = 3, resize: str = "stretch", **arguments: Any
) -> Description:
    """Return what folders, or the table, tell; of some images the sizes, and whether they are whole. Arguments as in `image_folder`."""
    form, faults = _form(size, channels, resize)
    items, wrong = _items(arguments | {"seed": 0})
    if not faults and not wrong:
        folders, every = _table_files.paths_of(arguments), max(1, len(items.values) // SAMPLE)
        some = _located(items, items.values, folders, every)
        for argument, files in (("path", some), ("mask", _located(items, items.masks, folders, every))):
            lost = [file for file in files if not Path(file).is_file()]
            if lost:
                more = f", nor {len(lost) - 1:,} others of {len(files):,}" if len(lost) > 1 else ""
                text = f"there is no image {lost[0]}{more}. Paths begin at the table's folder and have the files' endings: photos/1.jpg."
                faults.append((argument, text))
                continue
            of_kind = channels if argument == "path" else OF_LABELS
            faults += [(argument, message) for message in _image_cache.unreadable(files, of_kind)]
        if form.size is None:
            faults += [("size", message) for message in _image_cache.size_faults(some)]
    return _item_table.description(items, "image", [*faults, *wrong])


def _form(size: Any, channels: int, resize: str) -> tuple[ImageForm, list[Fault]]:
    """Return what the images become, or the fault of the size."""
    sizes = [size, size] if isinstance(size, int) else size
    if sizes is not None and len(sizes) != 2:
        return ImageForm(None, channels, resize), [
            ("size", f"expected height and width, [128,128], got {sizes}.")
        ]
    return ImageForm(None if sizes is None else (int(sizes[0]), int(sizes[1])), channels, resize), []


def _items(arguments: Mapping[str, Any]) -> tuple[Items | None, list[Fault]]:
    """Return the files of the images, or their faults; arguments as in `image_folder`."""
    table, splitting = settings_of(arguments)
    column, mask = arguments.get("image"), arguments.get("mask")
    sources = _table_files.paths_of(arguments)
    return _item_table.read(ItemSettings("image", ENDINGS, sources, column, table, splitting, mask=mask))


def _located(items: Items, files: Sequence[str], tables: Paths, every: int = 1) -> list[str]:
    """Return the paths of images or masks; relative ones of a table begin at the table's folder.

    Args:
        items: from `read`.
        files: one for each item, or none.
        tables: the tables of the parts.
        every: leave out all but each n-th file.
    """
    if items.folder:
        return list(files[::every])
    folders = [None if table is None else paths.expanded(table).parent for table in tables.values()]
    parts = items.examples.file_parts[::every]
    return [
        str(folders[part] / paths.expanded(file)) for part, file in zip(parts, files[::every], strict=False)
    ]
