"""Image files to pixels of one size, by Pillow and Keras' resizing; equal JPEGs by TensorFlow, which gives the same pixels."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _jpeg, _tensorflow
from trainrun.data._image_pixels import MAX_PIXELS, OF_LABELS, pixels_of
from trainrun.errors import first_line

if TYPE_CHECKING:
    import numpy as np

# Of a file, in messages.
UNREADABLE = "cannot be read as an image"
# Bytes of images of one size that one call decodes and resizes: a call takes some milliseconds.
BYTES_AT_ONCE = 2**22
# Images of so many times the pixels that are wanted take longer to be transposed than that saves.
LARGER = 8


@dataclass(frozen=True)
class ImageForm:
    """What an image is made to be.

    Args:
        size: height and width in pixels; None: all images have one size.
        channels: 1 (grey), 3 or 4 (with transparency); `OF_LABELS`.
        resize: ``stretch``, ``crop`` or ``pad`` to the size.
    """

    size: tuple[int, int] | None
    channels: int
    resize: str


# What images have in common that one call fits: whether they are encoded yet, and their shape.
Kind = tuple[bool, tuple[int, ...]]


class Decoder:
    """Decodes images; several threads may each call it with images of their own.

    Args:
        files: the images.
        form: what they become.
        shape: height, width and channels of the pixels.
        write: takes indices, and their pixels, uint8 `[n, height, width, channels]`.
        jpegs: contents of JPEG files that were read already, by index; each is taken out when it is decoded.
    """

    def __init__(
        self,
        files: Sequence[str],
        form: ImageForm,
        shape: tuple[int, ...],
        write: Callable[[Sequence[int], np.ndarray], None],
        jpegs: dict[int, bytes],
    ) -> None:
        self.files, self.form, self.shape, self.write, self._jpegs = files, form, shape, write, jpegs
        self._resizers: dict[bool, Callable[[np.ndarray], np.ndarray]] = {}
        self._decoders: dict[bool | None, Callable[[list[bytes]], np.ndarray]] = {}

    def __call__(self, some: Sequence[int]) -> list[str | None]:
        """Decode the images at indices; return of each what is wrong with its file, or None."""
        faults: dict[int, str] = {}
        for kind, images in self._groups(some, faults):
            self._write(kind, images, faults)
        return [faults.get(i) for i in some]

    def _groups(self, some: Sequence[int], faults: dict[int, str]) -> Iterator[tuple[Kind, dict[int, Any]]]:
        """Yield successive images of one kind: of files that are encoded yet their content, of others the pixels."""
        kind: Kind = False, ()
        group: dict[int, Any] = {}
        for i in some:
            try:
                encoded = self._encoded(i)
                if encoded is not None and math.prod(encoded[1]) <= MAX_PIXELS:
                    of_image, image = (True, (*encoded[1], self.form.channels)), encoded[0]
                else:
                    image = pixels_of(self.files[i], self.form.channels)
                    of_image = False, image.shape
            # Pillow raises what its decoders and C libraries make of a damaged file.
            except Exception as error:
                faults[i] = self._unreadable(i, error)
                continue
            if group and (of_image != kind or (len(group) + 1) * math.prod(kind[1]) > BYTES_AT_ONCE):
                yield kind, group
                group = {}
            kind, group[i] = of_image, image
        if group:
            yield kind, group

    def _encoded(self, i: int) -> tuple[bytes, tuple[int, int]] | None:
        """Return what `_jpeg.read` does."""
        if (content := self._jpegs.pop(i, None)) is None:
            return _jpeg.read(self.files[i], self.form.channels)
        size = _jpeg.size_of(content, self.form.channels)
        return None if size is None else (content, size)

    def _write(self, kind: Kind, images: dict[int, Any], faults: dict[int, str]) -> None:
        """Write a group of images, or what is wrong with them into `faults`."""
        import numpy as np

        encoded, shape = kind
        wanted = self.shape[:2]
        fits = self.form.size is None or shape[:2] == wanted
        together = math.prod(shape[:2]) <= LARGER * math.prod(wanted)
        try:
            if encoded:
                decode = self._decoder(None if fits else together)
                self.write([*images], decode([*images.values()]))
            else:
                pixels = np.stack([*images.values()])
                self.write([*images], pixels if fits else self._resizer(together)(pixels))
        except Exception as error:  # damaged, or resized to a side of none of its pixels
            if encoded:
                self._by_pillow(images, faults)
            else:
                faults.update((i, f"{self.files[i]} cannot be resized: {first_line(error)}") for i in images)

    def _decoder(self, together: bool | None) -> Callable[[list[bytes]], np.ndarray]:
        """Return the function from JPEG files to pixels of the wanted size; `together`: see `_resizing`, None: they have it."""
        if together not in self._decoders:
            resize = None if together is None else _resizing(self.form, together)
            self._decoders[together] = _jpeg.decoder(self.shape[-1], resize)
        return self._decoders[together]

    def _resizer(self, together: bool) -> Callable[[np.ndarray], np.ndarray]:
        if together not in self._resizers:
            self._resizers[together] = _of_pixels(_resizing(self.form, together), self.shape[-1])
        return self._resizers[together]

    def _by_pillow(self, contents: dict[int, bytes], faults: dict[int, str]) -> None:
        """Write JPEGs of which TensorFlow refuses one, or Pillow's message on it into `faults`."""
        for i, content in contents.items():
            try:
                image = pixels_of(io.BytesIO(content), self.form.channels)
            except Exception as error:
                faults[i] = self._unreadable(i, error)
            else:
                self._write((False, image.shape), {i: image}, faults)

    def _unreadable(self, i: int, error: Exception) -> str:
        return f"{self.files[i]} {UNREADABLE}: {first_line(error)}"


def _resizing(form: ImageForm, together: bool) -> Callable[[Any], Any]:
    """Return a function from images of one size to images of the wanted size: by `keras.layers.Resizing`, rounded to whole numbers.

    Args:
        form: with a size.
        together: resize them as channels of one image, which takes half the time, because TensorFlow's innermost loop goes over the channels;
            the sums are the same.
    """
    tf = _tensorflow.imported()
    import keras

    arguments = resizing_arguments(form.resize)
    if form.channels == OF_LABELS:
        arguments |= {"interpolation": "nearest", "antialias": False}
    # Not of uint8, which Keras 3.15 cannot pad.
    layer = keras.layers.Resizing(*form.size, dtype="float32", **arguments)

    def rounded(images: Any) -> Any:
        pixels = tf.round(layer(tf.cast(images, tf.float32)))
        return tf.cast(tf.clip_by_value(pixels, 0, 255), tf.uint8)

    def as_channels(images: Any) -> Any:
        n, height, width, channels = tf.unstack(tf.shape(images))
        rows = tf.transpose(tf.reshape(images, [n, -1]))
        resized = rounded(tf.reshape(rows, [1, height, width, channels * n]))
        return tf.reshape(tf.transpose(tf.reshape(resized, [-1, n])), [n, *form.size, channels])

    return as_channels if together else rounded


def _of_pixels(resize: Callable[[Any], Any], channels: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of arrays, uint8 `[n, height, width, channels]`, compiled once for images of all sizes."""
    tf = _tensorflow.imported()
    signature = tf.TensorSpec([None, None, None, channels], tf.uint8)
    compiled = tf.function(resize, input_signature=[signature], autograph=False)

    def of_arrays(images: np.ndarray) -> np.ndarray:
        with tf.device("cpu:0"):
            return compiled(images).numpy()

    return of_arrays


def resizing_arguments(resize: str) -> dict[str, Any]:
    """Return the arguments of `keras.layers.Resizing` for ``stretch``, ``crop`` or ``pad``."""
    return {
        "interpolation": "bilinear",
        "antialias": True,
        "crop_to_aspect_ratio": resize == "crop",
        "pad_to_aspect_ratio": resize == "pad",
    }
