"""The pixels of an image file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import io

    import numpy as np
    from PIL import Image

# A file that unpacks to more pixels is refused.
MAX_PIXELS = 100_000_000
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Number of channels of masks, whose pixels are numbers of classes.
OF_LABELS = 0
LARGEST_LABEL = 255
# Largest number of a pixel of 16 bits.
LARGEST_DEEP = 65_535


def pixels_of(file: str | io.BytesIO, channels: int) -> np.ndarray:
    """Return an image as uint8 `[height, width, channels]`, turned as its camera says.

    Args:
        file: the image's path, or its content.
        channels: 1, 3 or 4; or `OF_LABELS`: the number of each pixel, of palettes its index.

    Raises:
        Exception: it is no image, is damaged, or has too many pixels, as Pillow and its decoders say it.
        ValueError: it has other numbers than bytes or 16 bits a pixel, or colours instead of labels.
    """
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read.")
        image.load()
        # Otherwise it copies what needs no turning, as `convert` does.
        ImageOps.exif_transpose(image, in_place=True)
        turned: Image.Image = image
        if channels == OF_LABELS:
            return _numbers(turned)
        if turned.mode.startswith(("I", "F")):
            turned = Image.fromarray(_bytes_of(np.asarray(turned)))
        if turned.mode == "P" and "transparency" in turned.info:
            turned = turned.convert("RGBA")
        mode = MODES[channels]
        array = np.asarray(turned if turned.mode == mode else turned.convert(mode))
    return array.reshape(*array.shape[:2], channels)


def _bytes_of(pixels: np.ndarray) -> np.ndarray:
    """Return pixels of 16 bits as uint8."""
    if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > LARGEST_DEEP:
        raise ValueError(
            f"its pixels are {pixels.dtype} numbers from {pixels.min():g} to {pixels.max():g}; numbers from 0 to 255, or to "
            f"{LARGEST_DEEP:,}, are read. Save it as PNG."
        )
    return (pixels // 257).astype("uint8")


def _numbers(mask: Image.Image) -> np.ndarray:
    """Return the number of each pixel, uint8 `[height, width, 1]`."""
    import numpy as np

    array = np.asarray(mask)
    if array.ndim == 3 and mask.mode == "RGB" and (array == array[..., :1]).all():
        array = array[..., 0]
    if array.ndim != 2:
        raise ValueError(f"a mask has one number a pixel, its class; this image is {mask.mode}.")
    with np.errstate(invalid="ignore"):  # NaN, which differs from what becomes of it
        whole = array.astype("uint8")
    if (other := array[array != whole]).size:
        raise ValueError(
            f"it has the number {other[0]}; classes are whole numbers from 0 to {LARGEST_LABEL}."
        )
    return whole[..., None]
