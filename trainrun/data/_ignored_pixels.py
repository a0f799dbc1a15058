"""What image files have and is not read: transparency where the images have no fourth channel, and all frames but the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

# Endings of formats that have neither.
PLAIN = (".jpg", ".jpeg", ".bmp", ".ppm", ".pgm")
WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
# What becomes of transparency, in messages.
KEPT = " (the colors beneath are kept, as Keras' and TensorFlow's loaders do)"


def notices(files: Sequence[str], channels: int, way_out: str = "") -> list[str]:
    """Return a notice on the files whose transparency is left out, and one on those with several frames.

    Args:
        files: of images or masks.
        channels: that they become; 4 keeps the transparency, and masks have none.
        way_out: of the first notice, a sentence.
    """
    traits = [(file, *traits_of(file)) for file in files if not file.lower().endswith(PLAIN)]
    found = []
    if channels in (1, 3) and (some := [file for file, transparent, _ in traits if transparent]):
        found.append(f"{_counted(some, files)} transparency, which is left out{KEPT}. {way_out}".rstrip())
    if some := [file for file, _, animated in traits if animated]:
        found.append(
            f"{_counted(some, files)} several frames or pages, of which only the first is read. Save the others as files of their own."
        )
    return found


def traits_of(file: str | IO[bytes]) -> tuple[bool, bool]:
    """Return whether an image has transparency (an alpha channel, or a transparent color), and whether it has several frames.

    One that cannot be read has neither; decoding it says what is wrong.

    Args:
        file: the image; its header is read.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            transparent = image.mode in WITH_ALPHA or "transparency" in image.info
            return transparent, bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow raises what its decoders make of a damaged file
        return False, False


def _counted(some: Sequence[str], files: Sequence[str]) -> str:
    more = ", …" if len(some) > 1 else ""
    return f"{len(some):,} of {len(files):,} image files ({some[0]}{more}) {'have' if more else 'has'}"
