"""Images of labels for segmentation: a folder of masks beside that of the images, and the class of each pixel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.data import _image_cache, _measured
from trainrun.data._class_folders import FILE, files_below, not_read, source
from trainrun.data._faults import Fault
from trainrun.data._image_decoding import ImageForm
from trainrun.data._image_pixels import LARGEST_LABEL, OF_LABELS
from trainrun.data._in_memory import MemorySource
from trainrun.data._table_files import Paths
from trainrun.data.dataset import TargetSpec
from trainrun.data.lazy_array import blocks
from trainrun.errors import Problem, UserError, listed
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np

# The column of masks in the table of two folders.
MASK = "mask"
# Formats that keep each pixel's number.
ENDINGS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".pgm")


def open_source(
    folders: Paths, masks: str, endings: Sequence[str]
) -> tuple[MemorySource | None, list[Fault]]:
    """Return the table of images and masks of the same names, sorted by name, or what is wrong with the folders.

    Args:
        folders: images of the parts.
        masks: the folder of the training part's masks; those of the other parts are at the same place beside their images.
        endings: of the images, in lower case.
    """
    rows: dict[str, list[str]] = {FILE: [], MASK: []}
    others: list[str] = []
    sizes, faults = [0] * len(folders), []
    beside = os.path.relpath(paths.expanded(masks), paths.expanded(folders["path"]))
    for part, (argument, folder) in enumerate(folders.items()):
        if folder is None:
            continue
        root = paths.expanded(folder)
        of_masks = Path(os.path.normpath(root / beside))
        by_name = {_name(file, of_masks): file for file in files_below(of_masks, ENDINGS)}
        # A folder of masks may be inside that of the images.
        images = [
            file
            for file in files_below(root, tuple(endings), others)
            if of_masks not in Path(file).parents or of_masks == root
        ]
        if not images:
            faults.append((argument, f"there are no images in {root}; they end in {', '.join(endings)}."))
        lost = [file for file in images if _name(file, root) not in by_name]
        if lost and not by_name:
            faults.append(("mask", f"there are no masks in {of_masks}; they end in {', '.join(ENDINGS)}."))
        elif lost:
            more = f" and {len(lost) - 1} more images" if len(lost) > 1 else ""
            text = f"{lost[0]}{more} have no mask in {of_masks}: a file of the same name, ending in {', '.join(ENDINGS)}."
            faults.append(("mask", text))
        rows[FILE] += images
        rows[MASK] += [by_name.get(_name(file, root), "") for file in images]
        sizes[part] = len(images)
    note = not_read(others, endings, "images")
    return (None, faults) if faults else (source(rows, folders, sizes, note), [])


def labels(files: Sequence[str], form: ImageForm, cache: Path) -> tuple[TargetSpec, np.ndarray, list[str]]:
    """Return the target, the class id of each pixel, int64 `[n, height, width]`, and digests of the files; the classes are the numbers that pixels have.

    Args:
        files: the masks.
        form: of the images.
        cache: folder of the decoded images.

    Raises:
        UserError: masks cannot be read, are no images of numbers, are of different sizes, or have one number only.
    """
    import numpy as np

    rows, contents = _image_cache.decoded(files, ImageForm(form.size, OF_LABELS, form.resize), cache)
    rows.prepare(np.arange(len(rows)), shown=True)
    counts = sum(np.bincount(block.ravel(), minlength=LARGEST_LABEL + 1) for _, block in blocks(rows))
    present = np.flatnonzero(counts)
    if len(present) < 2 and not _measured.is_by_model():
        message = f"all pixels of the masks have the number {present[0]}, so there is nothing to tell apart."
        raise UserError(Problem("data.mask", message))
    id_of_number = np.zeros(LARGEST_LABEL + 1, "int64")
    id_of_number[present] = np.arange(len(present))
    binary = len(present) == 2
    spec = TargetSpec(
        "binary" if binary else "multiclass",
        tuple(map(str, present)),
        1 if binary else len(present),
        rows.shape[1:3],
    )
    return spec, id_of_number[np.asarray(rows[:])[..., 0]], contents


def other_proportions(images: Sequence[str], masks: Sequence[str]) -> str:
    """Return a sentence on masks of other proportions than their images, which would lie elsewhere on them; "": there are none.

    Args:
        images: some of them.
        masks: theirs.
    """
    differing = []
    for image, mask in zip(images, masks, strict=True):
        a, b = _image_cache.size_or_none(image), _image_cache.size_or_none(mask)
        # A smaller mask may be rounded to whole pixels.
        if a and b and abs(a[0] * b[1] - a[1] * b[0]) > max(*a, *b):
            differing.append((image, *a, *b))
    if not differing:
        return ""
    file, *sizes = differing[0]
    return (
        f"{len(differing)} of {len(images)} masks have other proportions than their images, and would lie elsewhere on them: {file} has "
        "{}x{} pixels, its mask {}x{} (height x width). Save masks of the whole images, as they are shown: turned as the camera says."
    ).format(*sizes)


def unseen_numbers(
    labels: np.ndarray, classes: Sequence[str], train: np.ndarray, held_out: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Yield a notice for each held-out part whose masks have a number that those of the training part lack.

    Args:
        labels: the class id of each pixel, `[n, height, width]`.
        classes: the number of each class, as text.
        train: indices of the training part.
        held_out: those of each other part.
    """
    import numpy as np

    has = np.array([np.bincount(mask.ravel(), minlength=len(classes)) > 0 for mask in labels])
    unknown = ~has[train].any(axis=0)
    for name, part in held_out.items():
        counts = (has[part] & unknown).sum(axis=0)
        if named := [f"{classes[i]} (in {counts[i]:,})" for i in np.flatnonzero(counts)]:
            yield (
                f"numbers of the {len(part):,} {name} masks that no training mask has, so that they cannot be predicted: "
                f"{listed(named)}. Have masks with them in the training part, or correct them."
            )


def _name(file: str, root: Path) -> str:
    return str(Path(file).relative_to(root).with_suffix(""))
