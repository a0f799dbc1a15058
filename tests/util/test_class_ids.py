"""Keys of class weights: names before ids."""

from __future__ import annotations

import pytest

from trainrun.util import class_ids


@pytest.mark.parametrize(
    ("label", "names", "expected"),
    [
        ("fraud", ("honest", "fraud"), 1),
        (1, ("honest", "fraud"), 1),
        ("0", ("honest", "fraud"), 0),
        (1, ("1", "2", "3"), 0),
        (0, ("1", "2", "3"), 0),
        (2, ("honest", "fraud"), None),
        ("Fraud", ("honest", "fraud"), None),
        (-1, ("honest", "fraud"), None),
        (True, ("false", "true"), 1),
        (False, ("yes", "no"), 1),
    ],
)
def test_a_key_is_a_name_else_an_id(label, names, expected):
    assert class_ids.of(label, names) == expected
