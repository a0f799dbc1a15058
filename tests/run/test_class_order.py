"""Class ids in the order of another run."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data.dataset import Dataset, Split, TargetSpec
from trainrun.run import class_order


def data(target, y):
    return Dataset("mine", "classification", (), target, Split(np.zeros((len(y), 1)), y))


@pytest.mark.parametrize(
    ("own", "stored", "y", "expected"),
    [
        (("b", "a"), ("a", "b"), [0, 1, -1], [1, 0, -1]),
        (("a", "c"), ("a", "b", "c"), [0, 1, 1], [0, 2, 2]),
        (("a", "d"), ("a", "b", "c"), [0, 1, 1], [0, 1, 1]),
    ],
)
def test_ids_are_those_of_the_stored_classes_if_it_has_all_of_them(own, stored, y, expected):
    one, other = (TargetSpec("binary" if len(c) == 2 else "multiclass", c, len(c)) for c in (own, stored))
    got = class_order.as_stored(data(one, np.array(y)), other)
    assert got.train.y.tolist() == expected
    assert got.target == (one if "d" in own else other)


def test_each_output_and_each_label_has_its_place():
    labels = TargetSpec("multilabel", ("x", "y", "z"), 3)
    named = {
        "kind": TargetSpec("multiclass", ("c", "b", "a"), 3),
        "tags": TargetSpec("multilabel", ("z", "x"), 2),
    }
    y = {"kind": np.array([0, 1, 2]), "tags": np.array([[1, 0], [0, 1], [1, 1]], "float32")}
    stored = TargetSpec("named", named={"kind": TargetSpec("multiclass", ("a", "b", "c"), 3), "tags": labels})
    got = class_order.as_stored(data(TargetSpec("named", named=named), y), stored)
    assert got.train.y["kind"].tolist() == [2, 1, 0]
    assert got.train.y["tags"].tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 1]]
    assert dict(got.target.named) == dict(stored.named)


def test_pixels_have_the_ids_of_the_stored_numbers():
    own, stored = (
        TargetSpec("multiclass", c, len(c), shape=s)
        for c, s in ((("0", "5", "9"), (2, 2)), (("0", "2", "5", "9"), (4, 4)))
    )
    got = class_order.as_stored(data(own, np.array([[[0, 1], [2, -1]]])), stored)
    assert got.train.y.tolist() == [[[0, 2], [3, -1]]]
    assert (got.target.classes, got.target.shape) == (stored.classes, (2, 2))
