"""Resamples come from a seed, and intervals are percentiles of the values that are defined."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.run import bootstrap


def test_resamples_shrink_with_the_numbers_to_draw():
    assert [bootstrap.resamples(n, 10_000) for n in (0, 1, 100, 10**6)] == [1000, 1000, 100, 50]


def test_one_seed_draws_the_same_rows():
    one, other, third = (np.array([*bootstrap.draws(5, 20, seed)]) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (20, 5) and set(one.ravel()) == set(range(5)) and not np.array_equal(one, third)


def test_intervals_leave_out_undefined_values():
    values = [*range(101), np.nan]
    assert bootstrap.interval(values) == pytest.approx(np.nanpercentile(values, [2.5, 97.5]))
    assert np.isnan(bootstrap.interval([np.nan, np.nan])).all() and np.isnan(bootstrap.interval([])).all()
