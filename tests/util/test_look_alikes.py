"""Names that look the same, by the code points of Unicode's tables."""

from __future__ import annotations

import pytest

from trainrun.util import look_alikes


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ("yes", "y\u0435s", "U+0435"),
        ("yes", "yes\u200b", "U+200B"),
        ("A", "\uff21", "U+FF21"),
        ("caf\u00e9", "cafe\u0301", "U+0301"),
        ("a b", "a\u00a0b", "U+00A0"),
    ],
)
def test_names_that_look_the_same(one, other, code):
    assert look_alikes.pair(["x", one, other]) == (one, other)
    assert code in look_alikes.difference(one, other)


def test_names_that_look_different():
    assert look_alikes.pair(["yes", "Yes", "x²", "x2", "м", "m", "Größe", "Grosse"]) is None
