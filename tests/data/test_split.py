"""Splits: disjoint, seeded, stratified; standardization against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data._split import sample, sizes, split, standardized
from trainrun.errors import UserError


@pytest.mark.parametrize("labels", [None, np.arange(103) % 3])
@pytest.mark.parametrize(
    ("validation", "test"), [(0.2, 0.2), (0.0, 0.3), (0.1, 0.0), (0.0, 0.0), (0.01, 0.01)]
)
def test_parts_are_disjoint_and_together_all(labels, validation, test):
    parts = split(103, validation=validation, test=test, seed=1, labels=labels)
    assert sorted(np.concatenate(parts).tolist()) == list(range(103))
    assert tuple(map(len, parts)) == sizes(103, validation, test)
    assert all(np.array_equal(p, np.sort(p)) for p in parts)


@pytest.mark.parametrize(
    ("n", "shares", "expected"),
    [(1797, (0.2, 0.2), (1079, 359, 359)), (10, (0.25, 0.0), (7, 3, 0)), (5, (0.01, 0.01), (3, 1, 1))],
)
def test_sizes_are_rounded_shares_and_never_nothing(n, shares, expected):
    assert sizes(n, *shares) == expected


def test_split_is_a_function_of_the_seed():
    again = [split(60, validation=0.2, test=0.2, seed=5) for _ in range(2)]
    other = split(60, validation=0.2, test=0.2, seed=6)
    assert all(np.array_equal(a, b) for a, b in zip(*again, strict=True))
    assert not np.array_equal(again[0][2], other[2])


@pytest.mark.parametrize("seed", range(5))
def test_each_class_keeps_its_share_up_to_one_example(seed):
    labels = np.repeat([0, 1, 2], [200, 37, 5])
    parts = split(len(labels), validation=0.2, test=0.2, seed=seed, labels=labels)
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        counts = np.bincount(labels[part], minlength=3)
        assert np.abs(counts - share * np.array([200, 37, 5])).max() <= 2
        assert counts.min() >= 1


@pytest.mark.parametrize("shares", [(0.2, 0.2), (0.1, 0.05), (0.4, 0.4)])
def test_every_part_has_every_class_of_three_examples(shares):
    labels = np.repeat([0, 1, 2], [60, 25, 3])
    for seed in range(200):
        parts = split(len(labels), validation=shares[0], test=shares[1], seed=seed, labels=labels)
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
        assert [len(p) for p in parts] == list(sizes(len(labels), *shares))
        assert all(set(labels[p]) == {0, 1, 2} for p in parts), seed


def test_a_sample_of_a_sorted_table_holds_each_class_at_its_share():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    for seed in range(20):
        picked = sample(1000, 50, seed, labels)
        assert len(np.unique(picked)) == 50 and np.array_equal(picked, np.sort(picked))
        assert np.abs(np.bincount(labels[picked]) - [25, 15, 10]).max() <= 1
    assert not np.array_equal(sample(1000, 50, 1, labels), sample(1000, 50, 2, labels))
    assert np.array_equal(sample(7, 7, 0), np.arange(7))


def test_a_sample_without_labels_is_spread_over_all_rows():
    seen = np.concatenate([sample(1000, 100, seed) for seed in range(200)])
    assert len(np.unique(seen)) == 1000 and abs(seen.mean() - 499.5) < 10


def test_every_example_can_come_into_every_part():
    labels = np.arange(12) % 2
    seen = np.zeros(12)
    for seed in range(200):
        seen[split(12, validation=0.25, test=0.25, seed=seed, labels=labels)[2]] += 1
    # Each is in the test part with probability 1/4: 50 ± 6 of 200.
    assert seen.min() > 25 and seen.max() < 80


def test_too_small_a_class_is_named():
    with pytest.raises(UserError, match=r"data\.validation: .*at least 3 .*rare \(2\)"):
        split(
            32,
            validation=0.2,
            test=0.2,
            seed=0,
            labels=np.array([0] * 30 + [1] * 2),
            classes=("common", "rare"),
        )


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (0.9, 0.2)])
def test_shares_that_leave_nothing_to_train_on_are_refused(validation, test):
    with pytest.raises(UserError, match=r"data\.test: expected .* below 1"):
        split(100, validation=validation, test=test, seed=0)


def test_too_few_examples_for_the_parts_are_refused():
    with pytest.raises(UserError, match="2 examples are too few"):
        split(2, validation=0.2, test=0.2, seed=0)


def test_standardization_is_scikit_learns_fitted_on_the_first_part_only():
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    train, test = rng.normal(5, 3, (40, 4)), rng.normal(9, 1, (10, 4))
    train[:, 2] = test[:, 2] = 0.1
    scaler = StandardScaler().fit(train)
    (ours, other), record = standardized([train, test])
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, scaler.transform(train), atol=1e-6)
    np.testing.assert_allclose(other, scaler.transform(test), atol=1e-6)
    np.testing.assert_allclose(record["mean"], scaler.mean_)
    np.testing.assert_allclose(record["std"], scaler.scale_)
    assert record["std"][2] == 1.0


def test_constant_columns_stay_finite():
    (ours,), _ = standardized([np.full((5, 2), [0.0, 1e9])])
    assert np.array_equal(ours, np.zeros((5, 2), "float32"))
