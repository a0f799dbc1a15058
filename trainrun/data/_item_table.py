"""A table with one item in each row, as the path of an image or a text, and a target; or a folder for each class of items."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainrun.data import (
    _arrays,
    _class_folders,
    _columns,
    _equal_rows,
    _mask_images,
    _open_table,
    _table_examples,
    _table_split,
)
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import Fault
from trainrun.data._split import share_problems
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_examples import Examples
from trainrun.data._table_files import Paths
from trainrun.data._table_notices import PARTS
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import Dataset, Description, InputKind, InputSpec
from trainrun.data.lazy_array import View
from trainrun.errors import listed
from trainrun.ui import console
from trainrun.util.paths import expanded

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ItemSettings:
    """Where the items are, and how they are divided.

    Args:
        argument: the argument that names the column of items (``image``, ``text``).
        endings: of the files of items in folders, in lower case.
        folders: paths of the parts, each a table or a folder.
        column: the column of items, as typed; None in folders.
        table: the other columns.
        splitting: the parts.
        form: of a CSV file.
        mask: the folder of masks beside a folder of images, or a table's column of their paths; None: the labels are classes or numbers.
    """

    argument: str
    endings: Sequence[str]
    folders: Paths
    column: Any
    table: TableSettings
    splitting: SplitSettings
    form: CsvFormat = field(default_factory=CsvFormat)
    mask: Any = None


@dataclass(frozen=True)
class Items:
    """The items that are examples, and their labels.

    Args:
        name: of the dataset.
        values: one text for each example.
        examples, parts: as `_table_examples.examples` and `_table_split.parts` return them.
        settings: the table's, with its column names.
        method: how they are divided, as `SplitSettings.method`.
        inferred: for `Dataset`.
        folder: whether they are from folders.
        sets: names of the further validation sets, which are the parts after the first three.
        note: on how the table's file was understood, or on what of the folders is not read; empty: there is none.
        masks: the path of each example's mask; empty: there are none.
        files: the path of each example as the folders or the table have it; empty: items are no files.
        folded: whether the validation part is one of several folds.
    """

    name: str
    values: list[str]
    examples: Examples
    parts: Sequence[np.ndarray]
    settings: TableSettings
    method: str
    inferred: Mapping[str, Any]
    folder: bool
    sets: Sequence[str]
    note: str
    masks: Sequence[str] = ()
    files: Sequence[str] = ()
    folded: bool = False

    def by_part(self) -> dict[str, dict[str, Any]]:
        """Return of each part the rows of its examples, counted from 0, and their files; see `Dataset.inferred`."""
        parts = dict(zip(Dataset.PARTS, self.parts, strict=False))
        files = {name: [self.files[i] for i in part] if self.files else [] for name, part in parts.items()}
        return {"rows": {name: self.examples.keep[part] for name, part in parts.items()}, "files": files}

    def held_out(self) -> dict[str, np.ndarray]:
        """Return the indices of each part but the training part."""
        return dict(zip((*PARTS[1:], *self.sets), self.parts[1:], strict=True))


def read(settings: ItemSettings, even_large: bool = True) -> tuple[Items | None, list[Fault]]:
    """Return the items, or their faults.

    Args:
        settings: where they are.
        even_large: also read the rows of a large table; otherwise it has neither items nor faults.
    """
    path = settings.folders["path"]
    folder = path is not None and expanded(path).is_dir()
    table, wrong = settings.table, []
    if settings.mask is not None:
        wrong = [
            (key, "the masks are the target. Leave it null.")
            for key in ("target", "label_separator")
            if getattr(table, key) is not None
        ]
        table = dataclasses.replace(
            table, target=_mask_images.MASK if folder else settings.mask, task=_columns.PATHS
        )
    if folder and settings.mask is not None:
        source, faults = _mask_images.open_source(settings.folders, str(settings.mask), settings.endings)
        column, table = _class_folders.FILE, dataclasses.replace(table, na_values=())
    elif folder:
        named = {key: getattr(table, key) for key in ("label_separator", "target")}
        wrong = [
            (key, "the folders are the classes, one for each file. Leave it null.")
            for key, value in {**named, settings.argument: settings.column}.items()
            if value is not None
        ]
        if table.task == "regression":
            wrong += [("task", "the folders are classes. Take task=auto, or a table of paths and numbers.")]
        source, faults = _class_folders.open_source(
            settings.folders, settings.endings, f"{settings.argument}s"
        )
        column = _class_folders.FILE
        table = dataclasses.replace(table, target=_class_folders.CLASS, task="classification", na_values=())
    else:
        column = settings.column
        read = None if column is None else dataclasses.replace(table, features=[column])
        source, faults = _open_table.by_settings(settings.folders, settings.form, read)
    faults = [*wrong, *faults, *settings.table.faults(), *share_problems(None, *_shares(settings.splitting))]
    if source is None or faults:
        return None, faults
    if column is None:
        message = (
            f"expected the column of {settings.argument}s, got null. The file has {listed(source.header)}."
        )
        return None, [(settings.argument, message)]
    table = dataclasses.replace(
        table, features=[column], categorical=[column], formats="plain", items=settings.argument
    )
    if table.missing == "auto":
        table = dataclasses.replace(table, missing="drop")  # nothing stands for an item
    table, faults = table.with_header(source.header)
    faults += settings.splitting.faults(table)
    if not faults and not (even_large or folder or source.is_small):
        return None, []
    if not faults:
        examples, table, faults = _table_examples.examples(source, table)
    if not faults:
        parts, faults = _table_split.parts(examples, table, settings.splitting)
    if faults:
        renamed = {"features": settings.argument, "categorical": settings.argument}
        renamed |= {"target": "mask"} if settings.mask is not None else {}
        return None, [(renamed.get(key, key), message) for key, message in dict.fromkeys(faults)]
    items = examples.table.columns[table.inputs[0]]
    inferred = {
        "target": None if folder else ", ".join(table.targets),
        "split": settings.splitting.words(table, source.own_files),
        "left_out": examples.table.rows - len(examples.keep),
        "digests": {name: c.digest() for name, c in examples.table.columns.items()},
    }
    values = [items.texts[code] for code in items.codes[examples.keep]]
    method = settings.splitting.method(table)
    masks: list[str] = []
    if settings.mask is not None:
        texts = examples.table.columns[table.target].texts
        masks = [texts[code] for code in examples.labels]
    files = values if folder or settings.argument == "image" else ()
    sets, note = tuple(settings.splitting.validation_sets or ()), source.understood()
    folded = settings.splitting.folds is not None
    return Items(
        source.name,
        values,
        examples,
        parts,
        table,
        method,
        inferred,
        folder,
        sets,
        note,
        masks,
        files,
        folded,
    ), []


def description(items: Items | None, kind: InputKind, faults: Sequence[Fault]) -> Description:
    """Return what is known before the items have become arrays.

    Args:
        items: from `read`; None: of a large table.
        kind: of the input.
        faults: all that is wrong.
    """
    if items is None or faults:
        return Description(inputs=None if faults else (kind,), problems=tuple(faults))
    # How many rows the groups have depends on the seed.
    examples = None if items.method == "group" else len(items.parts[0])
    if items.masks:  # their numbers are the classes
        return Description("segmentation", examples=examples, inputs=(kind,))
    return Description.of(items.examples.target, examples, (kind,))


def dataset(
    items: Items,
    spec: InputSpec,
    x: np.ndarray | View,
    standardize_target: bool,
    record: dict[str, Any],
    notices: Sequence[str] = (),
) -> Dataset:
    """Return the dataset of items that have become arrays.

    Args:
        items: from `read`; `values` are what equal items have in common: the texts, or digests of the images; so are `masks`.
        spec, x: the input, in the order of the items.
        standardize_target: as in `data.csv.csv`.
        record: of the preprocessing.
        notices: on the items, to which those on equal ones are added.
    """
    examples, settings = items.examples, items.settings
    if items.note and items.folder:
        notices = [items.note, *notices]
    elif items.note:
        console.note(items.note)
    notices = [*notices, *_equal_items(items, "images" if spec.kind == "image" else "texts")]
    for notice in notices:
        console.warn(notice)
    weight = None
    if settings.weight is not None:
        weight = examples.table.columns[settings.weight].numbers[examples.keep]
    made = _arrays.of_parts(
        items.name,
        {spec: x},
        examples.target,
        examples.labels,
        items.parts,
        sets=items.sets,
        standardize_target=standardize_target,
        weight=weight,
        preprocessing={"target": settings.target if len(settings.targets) == 1 else None, **record},
    )
    by_part = items.by_part()
    return dataclasses.replace(
        made,
        inferred={**items.inferred, **by_part, "notices": notices},
        fold_rows=by_part["rows"]["validation"] if items.folded else None,
    )


def _equal_items(items: Items, what: str) -> Iterator[str]:
    """Yield a notice for each held-out part that has many items of the training part, with their targets."""
    import numpy as np

    hashes = _hashes(items.values)
    features = _equal_rows.Features([hashes], np.arange(len(hashes)), contents=True)
    labels = _hashes(items.masks) if items.masks else items.examples.labels
    of_each = labels.values() if isinstance(labels, Mapping) else [labels]
    held_out = items.held_out()
    way_out = "" if items.folder else ", or keep what belongs together in one part: data.group=<column>"
    for name, equal in _equal_rows.counts(features, of_each, items.parts[0], held_out):
        yield (
            f"{equal} of the {len(held_out[name])} {name} {what} are the same, with the same target, as a training one, so the {name} "
            f"metrics are too good. Remove repeated {what}{way_out}."
        )


def _hashes(texts: Sequence[str]) -> np.ndarray:
    """Return a hash of each text, uint64 `[n]`."""
    import numpy as np

    return np.fromiter(map(hash, texts), "int64", len(texts)).view("uint64")


def _shares(splitting: SplitSettings) -> tuple[float, float]:
    return splitting.validation, splitting.test
