"""Images of another type than uint8 whose values are those of bytes, which nothing divides by 255."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trainrun.data.dataset import InputSpec

# Images that are looked at, spread over all of them.
LOOKED_AT = 64
# The largest value of a byte, and one beyond images in [0, 1] and standardized ones.
LARGEST, UNUSUAL = 255, 16


def notices(inputs: Sequence[tuple[InputSpec, Any, Any]]) -> Iterator[str]:
    """Yield a sentence for each input of images whose values go from 0 to 255 and are taken as they are.

    Args:
        inputs: spec, values and the record of their preprocessing.
    """
    import numpy as np

    for spec, values, record in inputs:
        if spec.kind != "image" or record.get("scale", 1.0) != 1.0:
            continue
        looked_at = np.unique(np.linspace(0, len(values) - 1, LOOKED_AT).astype("int64"))
        some = np.asarray(values[looked_at])
        if some.size and some.min() >= 0 and UNUSUAL < some.max() <= LARGEST:
            yield (
                f"the images {spec.name} have values up to {some.max():g}, and are taken as they are; only those of uint8 are divided "
                "by 255, and models expect images in [0, 1]. Save them as uint8 (x.astype('uint8')), or divided by 255."
            )
