"""Training, validation and test parts: seeded, stratified, and the standardization fitted on the first alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data._columns import shortened
from trainrun.data._order import SAMPLE, SPLIT, bits, shuffled
from trainrun.data.lazy_array import View, blocks
from trainrun.errors import Problem, UserError

if TYPE_CHECKING:
    import numpy as np


def sizes(n: int, validation: float, test: float) -> tuple[int, int, int]:
    """Return how many of `n` examples go to training, validation and test.

    Args:
        n: the number of examples.
        validation, test: shares of all examples, in [0, 1); a share above 0 gets at least one example.
    """
    held_out = [max(1, int(n * share + 0.5)) if share else 0 for share in (validation, test)]
    return n - sum(held_out), *held_out


def share_problems(n: int | None, validation: float, test: float) -> tuple[tuple[str, str], ...]:
    """Return what is wrong with the shares, as `Description.problems`."""
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
    """Return the indices of the training, validation and test examples: disjoint, together all, each ascending.

    With labels, each class keeps its share in every part, up to one example.

    Args:
        n: the number of examples.
        validation, test: shares of all examples; see `sizes`.
        seed: which split; another seed, another split.
        labels: class ids `[n]` to stratify by, or None.
        classes: their names, for messages.

    Raises:
        UserError: nothing would be left to train on, or a class is too small to be in every part.
    """
    import numpy as np

    if problems := share_problems(n, validation, test):
        raise UserError([Problem(f"data.{key}", message) for key, message in problems])
    _, n_validation, n_test = sizes(n, validation, test)
    order = shuffled(bits(seed, SPLIT, 0, n))
    if labels is not None:
        _check_classes(labels, 1 + bool(n_validation) + bool(n_test), classes)
        # Class by class, at random within one: picking at even distances then gives each class its share.
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
    return np.sort(train), np.sort(validation_part), np.sort(test_part)


def sample(n: int, count: int, seed: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Return the ascending indices of `count` of `n` examples, at random; with labels, each class keeps its share.

    Args:
        n: the number of examples.
        count: how many are wanted, at most `n`.
        seed: which ones.
        labels: class ids `[n]`, or None.
    """
    import numpy as np

    order = shuffled(bits(seed, SAMPLE, 0, n))
    if labels is not None:
        order = order[np.argsort(labels.ravel()[order], kind="stable")]
    _, picked = every(order, count, int(bits(seed, SAMPLE, 1, 1)[0]))
    return np.sort(picked)


def every(order: np.ndarray, count: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices that are left, and `count` of them picked at even distances from a random start."""
    import numpy as np

    n = len(order)
    position = np.arange(n + 1, dtype="int64") * count + offset % max(n, 1)
    picked = np.diff(position // max(n, 1)) > 0
    return order[~picked], order[picked]


def _complete(parts: Sequence[np.ndarray], labels: np.ndarray) -> None:
    """Give each part one example of each class that it lacks, for one of its largest class.

    Picking at even distances leaves out classes smaller than the distance. The parts are changed in place; one with
    fewer examples than there are classes stays without some.

    Args:
        parts: indices of the examples of each part.
        labels: class ids of all examples.
    """
    import numpy as np

    for part in parts:
        for absent in np.setdiff1d(labels, labels[part]):
            donor = max(parts, key=lambda p: np.count_nonzero(labels[p] == absent))
            spare = np.flatnonzero(labels[donor] == absent)
            ids, counts = np.unique(labels[part], return_counts=True)
            if len(spare) > 1 and counts.max() > 1:
                surplus = np.flatnonzero(labels[part] == ids[counts.argmax()])[0]
                donor[spare[0]], part[surplus] = part[surplus], donor[spare[0]]


def class_problem(counts: Mapping[str, int], parts: int) -> str | None:
    """Say which classes have fewer examples than the split has parts, or None.

    Args:
        counts: class's name -> how many.
        parts: the number of parts: training, and validation and test if there are such.
    """
    small = [f"{shortened(name)} ({count})" for name, count in counts.items() if count < parts]
    if not small:
        return None
    listed = ", ".join(small[:10]) + (" …" if len(small) > 10 else "")
    return (
        f"expected at least {parts} examples of each class, one for each part of the split; too few of {listed}. "
        "Add examples, merge classes, or set data.validation=0 or data.test=0."
    )


def _check_classes(labels: np.ndarray, parts: int, classes: Sequence[str]) -> None:
    import numpy as np

    ids, counts = np.unique(labels, return_counts=True)
    names = [str(classes[i]) if len(classes) else str(i) for i in ids]
    problem = class_problem(dict(zip(names, counts.tolist(), strict=True)), parts)
    if problem:
        raise UserError(Problem("data.validation", problem))


def standardizer(train: np.ndarray | View) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's mean and standard deviation, float64 `[d]`; a constant column's deviation is 1.

    Args:
        train: the training part, `[n, d]`. Fitted on nothing else, so that nothing of the test part leaks.
    """
    import numpy as np

    n = len(train)
    if np.prod(train.shape[1:]) == 1 or (isinstance(train, np.ndarray) and not train.flags.c_contiguous):
        # What lies one behind the other numpy adds in pairs, not in a row: blocks would give other last bits.
        wide = np.asarray(train).astype("float64")
        mean, std = wide.mean(axis=0), wide.std(axis=0)
    else:
        mean = _total(train) / n
        std = np.sqrt(_total(train, mean) / n)
    # Rounding leaves a constant column a deviation of about 1e-16 times its value, not 0.
    constant = std <= 10 * np.finfo("float64").eps * np.maximum(np.abs(mean), np.finfo("float64").tiny)
    return mean, np.where(constant, 1.0, std)


def _total(train: np.ndarray | View, mean: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of each column, float64 `[d]`, or that of the squares of its deviations from a mean.

    Block by block, and to the bit what numpy's sum of the whole is: along the first axis it adds row to row, so a
    block goes on from the sum of those before it as its row 0. A test holds it against `numpy.mean` and `numpy.std`.
    """
    import numpy as np

    total = None
    for _, block in blocks(train):
        rows = np.empty((len(block) + (total is not None), *block.shape[1:]), "float64")
        now = rows if total is None else rows[1:]
        now[...] = block
        if mean is not None:
            now -= mean
            now *= now
        if total is not None:
            rows[0] = total
        total = np.add.reduce(rows, axis=0)
    return total


def standardized(parts: Sequence[np.ndarray]) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Return the parts as float32 with mean 0 and deviation 1 by the first of them, and what was fitted."""
    import numpy as np

    mean, std = standardizer(parts[0])
    views = [View.of(p).standardized(mean, std) for p in parts]
    return [np.asarray(v) for v in views], fitted(mean, std)


def fitted(mean: np.ndarray, std: np.ndarray) -> dict[str, Any]:
    """Return what was fitted, for the record."""
    return {"mean": mean.tolist(), "std": std.tolist()}
