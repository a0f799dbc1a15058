"""Seeded and stratified training, validation and test splits, and standardization fitted on the training set."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data._columns import number, shortened
from trainrun.data._faults import raise_faults
from trainrun.data._order import SAMPLE, SPLIT, bits, shuffled
from trainrun.data.lazy_array import BLOCK, View
from trainrun.errors import Problem, UserError

if TYPE_CHECKING:
    import numpy as np


def sizes(n: int, validation: float, test: float) -> tuple[int, int, int]:
    """Return the sizes of the training, validation and test sets of `n` examples.

    Args:
        n: the number of examples.
        validation, test: fractions of all examples, in [0, 1); a fraction above 0 gets at least one example.
    """
    held_out = [max(1, int(n * share + 0.5)) if share else 0 for share in (validation, test)]
    return n - sum(held_out), *held_out


def share_problems(n: int | None, validation: float, test: float) -> tuple[tuple[str, str], ...]:
    """Return the problems of the fractions, in the form of `Description.problems`."""
    if validation + test >= 1:
        return (
            (
                "test",
                f"expected data.validation + data.test below 1, so that examples to train on are left, got {validation} + {test}.",
            ),
        )
    if n is not None and sizes(n, validation, test)[0] < 1:
        return (
            (
                "test",
                f"{n} examples are too few to hold out {validation} and {test} of them. Try data.validation=0 data.test=0.",
            ),
        )
    return ()


def split(
    n: int,
    *,
    validation: float,
    test: float,
    seed: int,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices of the training, validation and test examples: a partition of all, each ascending.

    With labels, each class has the same proportion in every set, up to one example.

    Args:
        n: the number of examples.
        validation, test: fractions of all examples; see `sizes`.
        seed: of the split.
        labels: class ids `[n]` to stratify by, or None.
        classes: their names, for messages.

    Raises:
        UserError: the training set would be empty, or a class is too small to be in every set.
    """
    import numpy as np

    raise_faults(share_problems(n, validation, test))
    _, n_validation, n_test = sizes(n, validation, test)
    order = shuffled(bits(seed, SPLIT, 0, n))
    if labels is not None:
        _check_classes(labels, 1 + bool(n_validation) + bool(n_test), classes)
        # Sorted by class and shuffled within: picking at even distances then keeps the proportions of the classes.
        order = order[np.argsort(labels[order], kind="stable")]
    offsets = bits(seed, SPLIT, 1, 2)
    rest, test_part = every(order, n_test, int(offsets[0]))
    train, validation_part = every(rest, n_validation, int(offsets[1]))
    if labels is not None:
        _complete([part for part in (train, validation_part, test_part) if len(part)], labels)
    if labels is not None and len(lost := np.setdiff1d(labels, labels[train])):
        name = classes[lost[0]] if len(classes) else lost[0]
        raise UserError(
            Problem(
                "data.test",
                f"validation {validation} and test {test} leave no example of class {name} to train on. Take smaller shares.",
            )
        )
    return ascending(n, (train, validation_part, test_part))


def ascending(n: int, parts: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return disjoint parts of the indices below `n`, each ascending. Marking takes a tenth of the time of sorting."""
    import numpy as np

    mark = np.zeros(n, "int8")
    for i, part in enumerate(parts, 1):
        mark[part] = i
    return tuple(np.flatnonzero(mark == i) for i in range(1, len(parts) + 1))


def sample(n: int, count: int, seed: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Return the ascending indices of a random sample of `count` of `n` examples; stratified if there are labels.

    Args:
        n: the number of examples.
        count: size of the sample, at most `n`.
        seed: of the sample.
        labels: class ids `[n]`, or None.
    """
    import numpy as np

    order = shuffled(bits(seed, SAMPLE, 0, n))
    if labels is not None:
        order = order[np.argsort(labels.ravel()[order], kind="stable")]
    _, picked = every(order, count, int(bits(seed, SAMPLE, 1, 1)[0]))
    return np.sort(picked)


def every(order: np.ndarray, count: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the remaining indices, and `count` indices picked at even distances from a random start."""
    import numpy as np

    n = len(order)
    # The i-th pick is the last index at which index * count + start is below i * n.
    picks = (np.arange(1, count + 1, dtype="int64") * n - offset % max(n, 1) - 1) // max(count, 1)
    picked = np.zeros(n, bool)
    picked[picks] = True
    return order[~picked], order[picked]


def _complete(parts: Sequence[np.ndarray], labels: np.ndarray) -> None:
    """Swap one example of each class that a set lacks for one of its largest class, in place.

    Picking at even distances misses classes smaller than the distance. A set with fewer examples than there are classes
    still lacks some.

    Args:
        parts: indices of the examples of each set.
        labels: class ids of all examples.
    """
    import numpy as np

    ids, codes = np.unique(labels, return_inverse=True)
    counts = np.array([np.bincount(codes[part], minlength=len(ids)) for part in parts])
    if counts.all():
        return
    places = [_Places(codes[part], counts[i]) for i, part in enumerate(parts)]
    for i, part in enumerate(parts):
        for absent in np.flatnonzero(counts[i] == 0):
            donor, largest = int(counts[:, absent].argmax()), int(counts[i].argmax())
            if counts[donor, absent] < 2 or counts[i, largest] < 2:
                continue
            spare, surplus = places[donor].first(absent), places[i].first(largest)
            parts[donor][spare], part[surplus] = part[surplus], parts[donor][spare]
            for at, gone, come, place in ((donor, absent, largest, spare), (i, largest, absent, surplus)):
                counts[at, gone] -= 1
                counts[at, come] += 1
                places[at].add(come, place)


class _Places:
    """The places of each class's examples in a set.

    Args:
        codes: class of each example.
        counts: examples of each class.
    """

    def __init__(self, codes: np.ndarray, counts: np.ndarray) -> None:
        import numpy as np

        self._ascending = np.argsort(codes, kind="stable")
        self._ends = np.cumsum(counts)
        self._heaps: dict[int, list[int]] = {}

    def _of(self, code: int) -> list[int]:
        if code not in self._heaps:  # An ascending list is a heap.
            begin = self._ends[code - 1] if code else 0
            self._heaps[code] = self._ascending[begin : self._ends[code]].tolist()
        return self._heaps[code]

    def first(self, code: int) -> int:
        """Return the first place of a class, and take it away."""
        return heapq.heappop(self._of(code))

    def add(self, code: int, place: int) -> None:
        """Add a place to a class."""
        heapq.heappush(self._of(code), place)


def class_problem(counts: Mapping[str, int], parts: int) -> str | None:
    """Return a message that lists the classes with fewer examples than the split has sets, or None.

    Args:
        counts: class name -> number of examples.
        parts: the number of sets: training, and validation and test if they exist.
    """
    small = [f"{shortened(name)} ({count})" for name, count in counts.items() if count < parts]
    if not small:
        return None
    numbers = len(counts) > 2 and all(number(name) is not None for name in counts)
    regression = " If it is a number to predict: data.task=regression." if numbers else ""
    listed = ", ".join(small[:10]) + (" …" if len(small) > 10 else "")
    return (
        f"expected at least {parts} examples of each class, one for each part of the split; too few of {listed}. "
        f"Add examples, merge classes, or set data.validation=0 or data.test=0.{regression}"
    )


def _check_classes(labels: np.ndarray, parts: int, classes: Sequence[str]) -> None:
    import numpy as np

    ids, counts = np.unique(labels, return_counts=True)
    names = [str(classes[i]) if len(classes) else str(i) for i in ids]
    problem = class_problem(dict(zip(names, counts.tolist(), strict=True)), parts)
    if problem:
        raise UserError(Problem("data.validation", problem))


def standardizer(train: np.ndarray | View) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's mean and standard deviation, float64 `[d]`; 1 for the deviation of a constant column.

    Args:
        train: the training set, `[n, d]`; fitting on it alone avoids leakage from the test set.
    """
    import numpy as np

    n = len(train)
    if np.prod(train.shape[1:]) == 1 or (isinstance(train, np.ndarray) and not train.flags.c_contiguous):
        # numpy sums contiguous values pairwise, not sequentially: summing blocks would differ in the last bits.
        wide = np.asarray(train).astype("float64")
        mean, std = wide.mean(axis=0), wide.std(axis=0)
    else:
        mean = _total(train) / n
        std = np.sqrt(_total(train, mean) / n)
    # Rounding leaves a constant column a deviation of about 1e-16 times its value, not 0.
    constant = std <= 10 * np.finfo("float64").eps * np.maximum(np.abs(mean), np.finfo("float64").tiny)
    return mean, np.where(constant, 1.0, std)


def _total(train: np.ndarray | View, mean: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of each column, float64 `[d]`, or the sum of its squared deviations from a mean.

    It is computed in blocks and equals numpy's sum of the whole to the bit: along the first axis numpy adds row by row, so
    each block begins with the sum of the earlier ones as its row 0. A test compares it with `numpy.mean` and `numpy.std`.
    """
    import numpy as np

    from trainrun.util import threads  # with a thread pool 2 ms, for which a check without data does not wait

    step = max(1, BLOCK // max(train[:1].nbytes, 1))

    def prepared(start: int) -> np.ndarray:
        block = train[start : start + step]
        rows = np.empty((1 + len(block), *block.shape[1:]), "float64")
        rows[1:] = block
        if mean is not None:
            rows[1:] -= mean
            rows[1:] *= rows[1:]
        return rows

    total = None
    for rows in threads.ahead(prepared, range(0, len(train), step)):
        if total is None:
            rows = rows[1:]
        else:
            rows[0] = total
        total = np.add.reduce(rows, axis=0)
    return total


def standardized(parts: Sequence[np.ndarray]) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Return the parts as float32, standardized by mean and deviation of the first, and the record of these."""
    import numpy as np

    mean, std = standardizer(parts[0])
    views = [View.of(p).standardized(mean, std) for p in parts]
    return [np.asarray(v) for v in views], fitted(mean, std)


def fitted(mean: np.ndarray, std: np.ndarray) -> dict[str, Any]:
    """Return the fitted values as lists, for the record."""
    return {"mean": mean.tolist(), "std": std.tolist()}
