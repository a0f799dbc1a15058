"""What image files have and is not read: transparency without a fourth channel, all frames but the first, and more than 8 bits a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, NamedTuple

from trainrun.data._image_pixels import OF_LABELS

# Endings of formats that have none of it.
PLAIN = (".jpg", ".jpeg", ".jfif", ".bmp", ".ppm")
WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
# What becomes of transparency, in messages.
KEPT = " (the colors beneath are kept, as Keras' and TensorFlow's loaders do)"


def notices(files: Sequence[str], channels: int, way_out: str = "") -> list[str]:
    """Return a notice on the files whose transparency is left out, one on those with several frames, and one on those of 16 bits.

    Args:
        files: of images or masks.
        channels: that they become; 4 keeps the transparency, and masks have none, and all their bits.
        way_out: of the first notice, a sentence.
    """
    traits = [(file, traits_of(file)) for file in files if not file.lower().endswith(PLAIN)]
    found = []
    if channels in (1, 3) and (some := [file for file, its in traits if its.transparent]):
        found.append(f"{_counted(some, files)} transparency, which is left out{KEPT}. {way_out}".rstrip())
    if some := [file for file, its in traits if its.animated]:
        found.append(
            f"{_counted(some, files)} several frames or pages, of which only the first is read. Save the others as files of their own."
        )
    if channels != OF_LABELS and (some := [file for file, its in traits if its.deep]):
        found.append(
            f"{_counted(some, files)} 16 bits a pixel, of which the upper 8 are read. Images that use fewer bits, such as 12, become dark: "
            "scale them to 0 to 255 first."
        )
    return found


class Traits(NamedTuple):
    """What an image has beside its pixels of 8 bits.

    Args:
        transparent: an alpha channel, or a transparent color.
        animated: several frames.
        deep: 16 bits a pixel.
    """

    transparent: bool
    animated: bool
    deep: bool


def traits_of(file: str | IO[bytes]) -> Traits:
    """Return what an image has beside its pixels; one that cannot be read has nothing, and decoding it says what is wrong.

    Args:
        file: the image; its header is read.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            transparent = image.mode in WITH_ALPHA or "transparency" in image.info
            animated = bool(getattr(image, "is_animated", False))
            return Traits(transparent, animated, image.mode.startswith("I"))
    except Exception:  # Pillow raises what its decoders make of a damaged file
        return Traits(False, False, False)


def _counted(some: Sequence[str], files: Sequence[str]) -> str:
    more = ", …" if len(some) > 1 else ""
    return f"{len(some):,} of {len(files):,} image files ({some[0]}{more}) {'have' if more else 'has'}"
