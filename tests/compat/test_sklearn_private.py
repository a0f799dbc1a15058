"""scikit-learn's private files are where `trainrun.compat.sklearn_private` looks for them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainrun.compat import sklearn_private as private
from trainrun.data import digits


def test_a_file_of_the_datasets_is_found():
    file = private.dataset_file("digits.csv.gz")
    np.testing.assert_array_equal(np.loadtxt(file, delimiter=",")[:, :-1], load_digits().data)
    assert private.dataset_file("digits.csv") is None


@pytest.mark.parametrize("found", [True, False])
def test_digits_are_the_same_with_the_file_and_without(found, monkeypatch):
    if not found:
        monkeypatch.setattr(private, "dataset_file", lambda name: None)
    digits.raw.cache_clear()
    images, target = digits.raw()
    digits.raw.cache_clear()
    expected = load_digits()
    np.testing.assert_array_equal(images, expected.images, strict=True)
    np.testing.assert_array_equal(target, expected.target, strict=True)
