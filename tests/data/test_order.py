"""The first invariant: the order is a function of (seed, epoch, step), and the same everywhere."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from trainrun.data import _order
from trainrun.data._order import EPOCHS, SPLIT, balanced, batches, bits, epoch_order
from trainrun.trainer.job import Resampled


def philox(key, blocks):
    """Philox4x64-10 by its paper (Salmon et al. 2011), in plain Python; numpy's counter begins at 1."""
    mask, words = 2**64 - 1, []
    for counter in range(1, blocks + 1):
        c, k = [counter, 0, 0, 0], list(key)
        for _ in range(10):
            a, b = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
            c = [(b >> 64) ^ c[1] ^ k[0], b & mask, (a >> 64) ^ c[3] ^ k[1], a & mask]
            k = [(k[0] + 0x9E3779B97F4A7C15) & mask, (k[1] + 0xBB67AE8584CAA73B) & mask]
        words += c
    return words


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (42, 0), (42, 7), (2**32 - 1, 100_000)])
def test_bits_are_those_of_philox(seed, epoch):
    expected = philox((seed, epoch), 3)
    assert bits(seed, EPOCHS, epoch, 12).tolist() == expected
    assert epoch_order(seed, epoch, 12).tolist() == sorted(range(12), key=expected.__getitem__)


@pytest.mark.parametrize("n", [0, 1, 2, 17, 1000])
def test_order_is_a_permutation(n):
    order = epoch_order(3, 5, n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


@pytest.mark.parametrize("distinct", [2**64, 50_000, 1])
@pytest.mark.parametrize("shift", [0, 14])
def test_words_are_sorted_stably_also_where_their_high_bits_are_equal(distinct, shift):
    words = np.random.default_rng(0).integers(0, distinct - 1, 100_000, "uint64", endpoint=True)
    words[::7] <<= np.uint64(shift)
    assert np.array_equal(_order.shuffled(words), np.argsort(words, kind="stable"))


def test_a_large_order_takes_little_memory_beside_itself():
    words = bits(0, EPOCHS, 0, 1_000_000)
    tracemalloc.start()
    order = _order.shuffled(words)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2.2 * order.nbytes


def test_order_depends_on_nothing_but_its_arguments():
    first = epoch_order(1, 2, 50)
    np.random.default_rng(0).permutation(50)
    epoch_order(1, 3, 50)
    assert np.array_equal(first, epoch_order(1, 2, 50))
    code = "from trainrun.data._order import epoch_order; print(*epoch_order(1, 2, 50))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert first.tolist() == [int(word) for word in elsewhere.split()]


def test_seeds_epochs_and_purposes_give_different_orders():
    orders = {tuple(epoch_order(seed, epoch, 30)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    assert not np.array_equal(bits(0, EPOCHS, 0, 8), bits(0, SPLIT, 0, 8))


def test_every_place_is_equally_likely():
    n, epochs = 8, 4000
    places = np.stack([epoch_order(11, epoch, n) for epoch in range(epochs)])
    counts = np.stack([(places == i).sum(axis=0) for i in range(n)])
    expected = epochs / n
    # 49 degrees of freedom: chi squared above 85 has a probability of 0.1 %.
    assert ((counts - expected) ** 2 / expected).sum() < 85


def test_batches_are_the_order_in_portions():
    portions = list(batches(10, 4, seed=2, epoch=1))
    assert [len(p) for p in portions] == [4, 4, 2]
    assert np.array_equal(np.concatenate(portions), epoch_order(2, 1, 10))


def test_batches_can_be_entered_at_any_step():
    whole = list(batches(10, 3, seed=2, epoch=1))
    for first in range(4):
        later = list(batches(10, 3, seed=2, epoch=1, first=first))
        assert all(np.array_equal(a, b) for a, b in zip(later, whole[first:], strict=True))
    assert len(list(batches(10, 3, seed=2, epoch=1, first=1, steps=3))) == 2


def test_batches_without_shuffling_keep_the_order():
    assert [b.tolist() for b in batches(5, 2, seed=0, epoch=0, shuffle=False)] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("resample", ["oversample", "undersample"])
def test_balanced_epochs_have_as_many_of_each_class_and_differ(resample):
    labels = np.array([0] * 50 + [1] * 7 + [2] * 20)
    resampled = Resampled.of(labels, resample)
    size = {"oversample": 50, "undersample": 7}[resample]
    epochs = [balanced(3, epoch, *resampled) for epoch in range(4)]
    for drawn in epochs:
        assert np.bincount(labels[drawn]).tolist() == [size] * 3
        for label in range(3):
            times = np.bincount(drawn, minlength=len(labels))[labels == label]
            assert times.max() - times.min() <= 1
    assert len({drawn.tobytes() for drawn in epochs}) == 4
    np.testing.assert_array_equal(epochs[2], balanced(3, 2, *resampled))
