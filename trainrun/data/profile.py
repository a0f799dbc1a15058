"""Statistics of the columns of a dataset: range, histogram, frequent values, missing values, and how the target goes with each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _date_texts, _equal_rows, _histogram
from trainrun.data._columns import number_text
from trainrun.data.dataset import TargetSpec
from trainrun.data.lazy_array import View

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data.dataset import Dataset, Split

# Bars of a histogram, frequent values of a category, rows that are shown.
BARS, FREQUENT, ROWS = 12, 3, 5
# Examples of an image, text or large array that are looked at, and their numbers.
LOOKED_AT, NUMBERS = 10_000, 2_000_000
# Numbers of examples that are hashed at once.
HASHED = 2_000_000


@dataclass(frozen=True)
class Values:
    """The values of one column, of all examples.

    Args:
        name: of the column.
        kind: in words.
        numbers: float64 `[n]`, NaN where a value is missing; None: categories.
        codes: int64 `[n]`, indices into `texts`, -1 where a value is missing; None: numbers.
        texts: the categories.
        is_date: whether the numbers are seconds since 1970.
        integers: those that `numbers` does not hold exactly, `[n]`; None: it holds each.
    """

    name: str
    kind: str
    numbers: np.ndarray | None = None
    codes: np.ndarray | None = None
    texts: Sequence[str] = ()
    is_date: bool = False
    integers: np.ndarray | None = None

    def text(self, row: int) -> str:
        """Return a value as text; nothing if it is missing."""
        if self.numbers is None:
            return self.texts[self.codes[row]] if self.codes[row] >= 0 else ""
        value = float(self.numbers[row])
        if math.isnan(value):
            return ""
        if self.integers is not None:
            return str(self.integers[row])
        return _date_texts.date_text(value) if self.is_date else number_text(value)


@dataclass(frozen=True)
class TableValues:
    """The columns of a table, of all rows that are examples, as they are understood.

    Args:
        columns: the features.
        targets: name of the target's column, of several those of all -> class ids `[n]`, 0/1 `[n, labels]` or numbers `[n, 1]`, and what
            they mean.
    """

    columns: Sequence[Values]
    targets: Mapping[str, tuple[np.ndarray, TargetSpec]]

    def records(self) -> list[dict[str, Any]]:
        """Return the record of each column (`of_columns`); of several targets, nothing is said of how it goes with them."""
        labels, target = next(iter(self.targets.values()))
        return list(of_columns(self.columns, labels if len(self.targets) == 1 else None, target))

    def rows(self, count: int = ROWS) -> list[dict[str, str]]:
        """Return the first rows with their target, each value as text."""
        labels = {name: _texts(labels[:count], target) for name, (labels, target) in self.targets.items()}
        return [
            {
                **{column.name: column.text(row) for column in self.columns},
                **dict(zip(labels, texts, strict=True)),
            }
            for row, texts in enumerate(zip(*labels.values(), strict=True))
        ]


def _texts(labels: np.ndarray, target: TargetSpec) -> list[str]:
    """Return labels as a file has them."""
    if target.kind == "multilabel":
        return [";".join(n for n, holds in zip(target.classes, row, strict=True) if holds) for row in labels]
    return (
        [target.classes[label] for label in labels]
        if target.classes
        else [number_text(float(label[0])) for label in labels]
    )


def of_columns(columns: Iterable[Values], labels: np.ndarray, target: TargetSpec) -> Iterator[dict[str, Any]]:
    """Yield a record for each column, plain values only.

    Args:
        columns: the columns.
        labels: class ids `[n]`, or numbers `[n, 1]`; None or of another shape: nothing is said of the target.
        target: what they mean.

    Yields:
        `name`, `kind`, `missing`, `distinct`; of numbers `least`, `median`, `largest` (of dates as texts) and `histogram` (counts in 12
        intervals of equal width); of categories `frequent` (text -> examples); `with_target`: Pearson's correlation of two numbers, the
        correlation ratio of a number and categories, Cramér's V of categories (both bias-corrected); None where it is undefined, and of texts.
    """
    import numpy as np

    numbers = labels[:, 0] if labels is not None and labels.ndim == 2 and labels.shape[1] == 1 else None
    classes = labels if labels is not None and labels.ndim == 1 and target.classes else None
    for column in columns:
        record: dict[str, Any] = {"name": column.name, "kind": column.kind}
        if column.numbers is None:
            known = column.codes >= 0
            counts = np.bincount(column.codes[known], minlength=len(column.texts))
            order = np.argsort(-counts, kind="stable")[:FREQUENT]
            record["frequent"] = {column.texts[i]: int(counts[i]) for i in order if counts[i]}
            distinct, values = int((counts > 0).sum()), column.codes[known]
        else:
            known = ~np.isnan(column.numbers)
            values = column.numbers[known]
            distinct = len(np.unique(values if column.integers is None else column.integers[known]))
            if len(values):
                shown = _date_texts.date_text if column.is_date else float
                ends = [float(f(values)) for f in (np.min, np.median, np.max)]
                if column.is_date and not (values % _date_texts.DAY).any():
                    ends[1] -= ends[1] % _date_texts.DAY  # the middle of two days
                least, median, largest = map(shown, ends)
                record |= {"least": least, "median": median, "largest": largest}
                record["histogram"] = _histogram.counts(values, BARS)
        record |= {"missing": int((~known).sum()), "distinct": distinct, "with_target": None}
        if len(values) > 1 and column.kind != "texts" and (numbers is not None or classes is not None):
            other = numbers[known] if classes is None else classes[known]
            record["with_target"] = _association(values, column.numbers is None, other, classes is not None)
        yield record


def _association(a: np.ndarray, a_is_class: bool, b: np.ndarray, b_is_class: bool) -> float | None:
    """Return how closely two columns go together, between -1 (two numbers) or 0, and 1; None if one is constant."""
    import numpy as np

    if a_is_class and b_is_class:
        return _cramers_v(a, b)
    if a_is_class or b_is_class:
        return _correlation_ratio(*((a, b) if a_is_class else (b, a)))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


def _correlation_ratio(codes: np.ndarray, numbers: np.ndarray) -> float | None:
    """Return the square root of the share of the variance that is between the classes, without the bias of few rows a class.

    Reference: T. L. Kelley, An unbiased correlation ratio measure, Proceedings of the National Academy of Sciences 21, 1935.
    """
    import numpy as np

    numbers = numbers - numbers.mean()
    total = float((numbers**2).sum())
    counts = np.bincount(codes)
    counts, sums = counts[counts > 0], np.bincount(codes, numbers)[counts > 0]
    n, classes = len(numbers), len(counts)
    if total == 0 or classes < 2:
        return None
    within = 1 - min(float((sums**2 / counts).sum()) / total, 1.0)
    return math.sqrt(max(1 - within * (n - 1) / (n - classes), 0.0)) if classes < n else 0.0


def _cramers_v(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return Cramér's V without the bias of few rows a category, by which ids would go with any target.

    Reference: W. Bergsma, A bias-correction for Cramér's V and Tschuprow's T, Journal of the Korean Statistical Society 42, 2013.
    """
    import numpy as np

    a, b = (np.unique(codes, return_inverse=True)[1] for codes in (a, b))
    rows, columns, n = int(a.max()) + 1, int(b.max()) + 1, len(a)
    if min(rows, columns) < 2:
        return None
    # Chi-squared by the cells that are not empty: a table of all may not fit into memory.
    cells, counts = np.unique(a * columns + b, return_counts=True)
    totals = np.bincount(a)[cells // columns] * np.bincount(b)[cells % columns]
    squared = float((counts**2 / totals).sum()) - 1 - (rows - 1) * (columns - 1) / (n - 1)
    smaller = min(k - 1 - (k - 1) ** 2 / (n - 1) for k in (rows, columns))
    return math.sqrt(min(max(squared, 0.0) / smaller, 1.0)) if smaller > 0 else 0.0


def of_dataset(data: Dataset) -> Iterator[dict[str, Any]]:
    """Yield records as `of_columns` does, of the training part's inputs; what is no table has one record an input.

    Args:
        data: as loaded.
    """
    import numpy as np

    inputs = data.train.x if isinstance(data.train.x, dict) else {data.inputs[0].name: data.train.x}
    steps = data.preprocessing.get("inputs", {})
    whole = data.target.kind in ("binary", "multiclass", "real") and not data.target.shape
    labels = data.train.y if whole else None
    for spec in data.inputs:
        x = inputs[spec.name]
        # A table has one record of its numbers, whatever other inputs there are.
        standard = steps.get(spec.name, {}).get("standardize") or data.preprocessing.get("standardize") or {}
        of_table = len(spec.shape) == 1 and len(data.features) == spec.shape[-1]
        wide = np.asarray(x if of_table else x[: _looked_at(spec.shape)], "float64")
        if spec.kind == "numeric" and len(standard.get("mean", ())) == spec.shape[-1]:
            moments = zip(standard["mean"], standard["std"], strict=True)
            wide = np.stack([in_unit(wide[..., i], *of_one) for i, of_one in enumerate(moments)], axis=-1)
        kind = f"{spec.kind} {list(spec.shape)}"
        if spec.kind == "numeric" and of_table:
            columns = [Values(str(name), "numbers", wide[:, i]) for i, name in enumerate(data.features)]
        elif spec.kind == "numeric" and len(data.features) == spec.shape[-1]:
            kind = f"numbers, windows of {spec.shape[0]}"
            columns = [Values(str(name), kind, wide[..., i].ravel()) for i, name in enumerate(data.features)]
        elif spec.kind == "tokens":  # ids say nothing
            columns = [
                Values(spec.name, f"tokens an example, of {spec.shape[0]}", (wide != 0).sum(axis=1) * 1.0)
            ]
        else:
            columns = [Values(spec.name, kind, wide.ravel())]
        yield from of_columns(columns, labels if of_table else None, data.target)


def in_unit(values: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """Return standardized numbers, float32 or made of such, in their unit, float64."""
    import numpy as np

    # Digits that float32 does not hold are left out: 0 is 0, not 8e-8, and not -0.
    digits = 7 - math.ceil(math.log10(max(abs(mean) + deviation, 1e-30)))
    return np.round(values.astype("float64") * deviation + mean, digits) + 0.0


def _looked_at(shape: Sequence[int]) -> int:
    return max(1, min(LOOKED_AT, NUMBERS // math.prod(shape)))


def class_counts(data: Dataset) -> dict[str, dict[str, int]]:
    """Return class -> part -> examples; empty if the target has no classes, or one a pixel."""
    import numpy as np

    if data.target.named:
        return {
            f"{output}: {name}": counts
            for output, one in data.each().items()
            for name, counts in class_counts(one).items()
        }
    if data.target.kind not in ("binary", "multiclass") or data.target.shape or not data.target.classes:
        return {}
    classes = len(data.target.classes)
    counts = {part: np.bincount(split.y, minlength=classes) for part, split in data.parts.items()}
    return {
        name: {part: int(count[i]) for part, count in counts.items()}
        for i, name in enumerate(data.target.classes)
    }


def repeated(data: Dataset) -> dict[str, int]:
    """Return how many examples of each held-out part are the same, inputs and target, as one of the training part."""
    train = hashes(data.train)
    held_out = {**data.parts, **data.validation_sets}
    del held_out["train"]
    return {part: _equal_rows.count_in(hashes(split), train) for part, split in held_out.items()}


def hashes(split: Split) -> np.ndarray:
    """Return a hash of each example's inputs and targets, uint64 `[n]`."""
    import numpy as np

    arrays = [
        a
        for held in (split.x, split.y)
        for a in (held.values() if isinstance(held, dict) else [held])
        if a is not None
    ]
    for array in arrays:
        if isinstance(array, View):
            array.prepare()
    rows = max(1, HASHED // sum(math.prod(a.shape[1:]) for a in arrays))
    blocks = [
        _equal_rows.of_arrays([np.asarray(array[start : start + rows]) for array in arrays])
        for start in range(0, len(split), rows)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0, "uint64")


def bars(histogram: Sequence[int]) -> str:
    """Return counts as a line of blocks."""
    levels, most = " ▁▂▃▄▅▆▇█", max(histogram, default=0)
    return "".join(levels[math.ceil(8 * count / most)] if count else levels[0] for count in histogram)
