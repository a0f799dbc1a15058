"""Predicted masks: the class of each pixel, as a PNG for each image or as one array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.artifacts import curves
from trainrun.data._image_pixels import LARGEST_LABEL
from trainrun.data.dataset import TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np

    from trainrun.run.saved_model import Predictions

ARRAYS = ".npz"
# The array of the images' paths (`file` is an argument of `numpy.savez`).
IMAGE = "image"


def check(output: Path | None, keep: Sequence[str], top: int | str | None) -> None:
    """Refuse an output that cannot hold masks, columns that are to be carried through, and a number of classes.

    Raises:
        UserError: it is standard output, or a file of another kind; or there are columns or a number of classes.
    """
    if output is None or (output.suffix not in ("", ARRAYS)) or (output.suffix == "" and output.is_file()):
        text = f"the model predicts masks; expected a folder for PNG files, or a file ending in {ARRAYS}, got {output or 'none'}."
        raise UserError(Problem("output", f"{text} For example -o masks/"))
    if top is not None:
        raise UserError(Problem("top", "of each pixel the most probable class is written. Leave it out."))
    if keep:
        raise UserError(
            Problem("keep", "masks have no columns; their files have the names of the images. Leave it out.")
        )


def write(blocks: Iterable[Predictions], output: Path, target: TargetSpec) -> None:
    """Write masks, the pixels as numbers of classes: their names where these are numbers up to 255, else their ids.

    Args:
        blocks: predictions; those of images have one column, of their paths: below the folder, or as the table has them.
        output: a folder, which gets the image's path with the ending ``.png`` (the row's number, if a path is not below the folder, or
            of rows of an array; nothing of a row without an image); or an .npz file with the array ``prediction`` and, of images, ``image``, their paths.
        target: of the model.

    Raises:
        UserError: it cannot be written.
    """
    import numpy as np
    from PIL import Image

    names = target.class_names
    plain = all(name.isdecimal() and int(name) <= LARGEST_LABEL for name in names)
    numbers = np.array([int(name) for name in names] if plain else range(len(names)))
    numbers = numbers.astype("uint8" if numbers.max() <= LARGEST_LABEL else "int32")
    masks: list[np.ndarray] = []
    files: list[str] = []
    count = 0
    try:
        for block in blocks:
            of_block = numbers[curves.decided(curves.per_class(block.output, target.kind), target)]
            known = next(
                (["" if n is None else str(n) for n in c] for c in block.rows.further.to_pydict().values()),
                None,
            )
            numbered = [f"{count + i:06}" for i in range(len(of_block))]
            count += len(of_block)
            if output.suffix == ARRAYS:
                masks.append(of_block)
                files += known or []
                continue
            for name, number, mask in zip(known or numbered, numbered, of_block, strict=True):
                if not name:
                    continue
                path = (output / (name if _is_below(name) else number)).with_suffix(".png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(path)
        if output.suffix == ARRAYS:
            arrays = {"prediction": np.concatenate(masks)} | ({IMAGE: np.array(files)} if files else {})
            with paths.whole(output) as new, new.open("wb") as stream:
                np.savez_compressed(stream, **arrays)
    except OSError as error:
        raise UserError(Problem("output", f"{output} cannot be written: {error}")) from error


def _is_below(name: str) -> bool:
    """Return whether a path stays in the folder at which it begins."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts
