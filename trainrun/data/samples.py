"""A few training examples of images and texts, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainrun.data import _vectorized_text

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data.dataset import Dataset

# Examples that are shown; columns and rows of a picture, whose characters are twice as high as wide.
SHOWN, COLUMNS, ROWS = 5, 24, 12
# Characters by brightness.
SHADES = " ░▒▓█"


def of(data: Dataset, count: int = SHOWN, with_pixels: bool = False) -> list[dict[str, Any]]:
    """Return examples, of the classes in turn: `input`, `label` (text, or None) and `lines` (text, or a picture in shades).

    Args:
        data: as loaded; inputs that are neither images nor texts are left out.
        count: of the examples.
        with_pixels: also return `pixels`, the image as an array, or None of a text.
    """
    import numpy as np

    y, several = data.train.y, isinstance(data.train.x, dict)
    labelled = isinstance(y, np.ndarray) and y.size == len(y)
    chosen = range(min(count, len(data.train)))
    if labelled and data.target.classes:
        by_class = np.argsort(np.ravel(y), kind="stable")
        classes = np.ravel(y)[by_class]
        turn = np.arange(len(classes)) - np.searchsorted(classes, classes)
        chosen = by_class[np.lexsort((classes, turn))[:count]].tolist()
    shown = []
    for spec in data.inputs:
        x = data.train.x[spec.name] if several else data.train.x
        step = (data.preprocessing.get("inputs") or {}).get(spec.name, {})
        for i in chosen:
            pixels = np.asarray(x[i : i + 1])[0] if spec.kind == "image" else None
            label = None
            if pixels is not None and data.target.classes and data.target.shape == pixels.shape[:2]:
                pixels, label = _beside(pixels, y[i] / (len(data.target.classes) - 1)), "with its mask"
            if pixels is not None:
                lines = _picture(pixels)
            elif "vocabulary" in step:
                lines = [_text(np.asarray(x[i : i + 1])[0], step)]
            else:
                break
            if labelled:
                label = (
                    data.target.class_names[int(np.ravel(y)[i])]
                    if data.target.classes
                    else f"{np.ravel(y)[i]:g}"
                )
            example = {"input": spec.name, "label": label, "lines": lines}
            shown.append({**example, "pixels": pixels} if with_pixels else example)
    return shown


def _beside(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return an image with its mask at the right, from the darkest for the first class to the brightest for the last one."""
    import numpy as np

    return np.concatenate([pixels, np.broadcast_to(mask[..., None] * pixels.max(), pixels.shape)], axis=1)


def _picture(pixels: np.ndarray) -> list[str]:
    import numpy as np

    grey = pixels.mean(axis=2)
    scale = max(1.0, grey.shape[1] / COLUMNS, grey.shape[0] / 2 / ROWS)
    rows, columns = (max(1, round(n / scale / each)) for n, each in zip(grey.shape, (2, 1), strict=True))
    at = [
        np.linspace(0, n, k, endpoint=False).astype("int64")
        for n, k in zip(grey.shape, (rows, columns), strict=True)
    ]
    sums = np.add.reduceat(np.add.reduceat(grey, at[0], axis=0), at[1], axis=1)
    counts = np.outer(*(np.diff([*a, n]) for a, n in zip(at, grey.shape, strict=True)))
    low, high = float(grey.min()), float(grey.max())
    shade = (sums / counts - low) / ((high - low) or 1.0) * (len(SHADES) - 1)
    return ["".join(SHADES[round(value)] for value in row) for row in shade]


def _text(ids: np.ndarray, step: dict[str, Any]) -> str:
    words = _vectorized_text.tokens_of(step, "[unknown]")
    between = ", " if step.get("ngrams") else "" if step.get("split") == "character" else " "
    return between.join(words[i] for i in ids if words[i])
