"""The order of the examples: a pure function of (seed, epoch), without any generator state.

It uses the raw bits of Philox and a stable sort: numpy guarantees the bit streams of its bit generators across versions,
but not the results of `Generator.permutation`. Therefore an order is the same on every machine and under every version of
numpy, and training can resume at any step of any epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


# Purposes of random bits: each has its own stream for one seed.
EPOCHS, SPLIT, SYNTHETIC, SAMPLE, RESAMPLE = 0, 1, 2, 3, 4


def bits(seed: int, purpose: int, number: int, n: int) -> np.ndarray:
    """Return `n` random 64-bit words, shape `[n]` uint64: a pure function of the arguments.

    Args:
        seed: the run's seed.
        purpose: one of `EPOCHS` … `RESAMPLE`.
        number: index of the stream within the purpose, below 2^56, such as the epoch.
        n: number of words.
    """
    import numpy as np

    key = np.array([seed % 2**64, purpose << 56 | number], dtype="uint64")
    return np.random.Philox(key=key).random_raw(n)


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order of `n` examples in an epoch, a permutation of 0 … n-1.

    Args:
        seed: the run's seed.
        epoch: the epoch's number, from 0.
        n: the number of examples.

    Returns:
        Indices, shape `[n]` int64.

    Example:
        >>> epoch_order(seed=0, epoch=0, n=5).tolist() == epoch_order(seed=0, epoch=0, n=5).tolist()
        True
    """
    return shuffled(bits(seed, EPOCHS, epoch, n))


def balanced(seed: int, epoch: int, classes: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Return the ascending indices of the examples of an epoch in which all classes have the same number.

    A class is taken as often as it fits into `size` as a whole; the rest is drawn anew in each epoch, without replacement.

    Args:
        seed, epoch: as in `epoch_order`.
        classes: indices of the examples of each class.
        size: examples of each.
    """
    import numpy as np

    parts = []
    for i, rows in enumerate(classes):
        whole, rest = divmod(size, len(rows))
        drawn = shuffled(bits(seed, RESAMPLE, epoch * len(classes) + i, len(rows)))[:rest]
        parts += [np.tile(rows, whole), rows[drawn]]
    return np.sort(np.concatenate(parts)).astype("int64")


def shuffled(random: np.ndarray) -> np.ndarray:
    """Return the permutation that sorts random 64-bit words; the sort is stable."""
    import numpy as np

    # numpy sorts whole words in place, and with vector instructions: five times as fast as `argsort`. So the index takes the low bits.
    size = np.uint64(len(random).bit_length())
    keys = random >> size
    keys <<= size
    keys |= np.arange(len(random), dtype="uint64")
    keys.sort()
    order = (keys & ((np.uint64(1) << size) - np.uint64(1))).view("int64")
    keys >>= size
    if (same := keys[1:] == keys[:-1]).any():  # words that differ in low bits only, or not at all
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        rows = order[tied]
        order[tied] = rows[np.lexsort((random[rows], keys[tied]))]
    return order


def batches(
    n: int,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
    steps: int | None = None,
    shuffle: bool = True,
) -> Iterator[np.ndarray]:
    """Yield the indices of an epoch's batches, from step `first` on.

    Args:
        n: the number of examples.
        batch_size: examples a batch; the last batch may be smaller.
        seed, epoch: as in `epoch_order`.
        first: the step to begin at, from 0; it does not change the batches after it.
        steps: stop before this step; None: at the end of the data.
        shuffle: False keeps the data's own order.

    Yields:
        Indices, shape `[batch_size]` int64.
    """
    import numpy as np

    order = epoch_order(seed, epoch, n) if shuffle else np.arange(n, dtype="int64")
    last = -(-n // batch_size)
    for step in range(first, last if steps is None else min(steps, last)):
        yield order[step * batch_size : (step + 1) * batch_size]
