"""Dataclasses from JSON that may have been received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from trainrun.util.typed_tree import typed


@dataclass(frozen=True)
class Inner:
    name: str
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    pair: tuple[int, float] | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)


def test_lists_become_tuples_and_mappings_dataclasses():
    tree = {"inner": [{"name": "x", "kind": "b"}], "pair": [1, 2], "flags": {"y": True}}
    assert typed(Outer, tree) == Outer((Inner("x", "b"),), (1, 2.0), {"y": True})
    assert typed(Outer, {"inner": []}) == Outer(())


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "lacks inner"),
        ([], r"is '\[\]'"),
        ({"inner": [{"kind": "a"}]}, "inner lacks name"),
        ({"inner": [{"name": 1}]}, "name is '1'"),
        ({"inner": [{"name": "x", "kind": "c"}]}, "kind is 'c'"),
        ({"inner": [], "pair": [[1], 2]}, "pair is"),
        ({"inner": [], "pair": [True, 2]}, "pair is"),
        ({"inner": [], "pair": [1, 2, 3]}, "pair is"),
        ({"inner": [], "flags": {"y": 1}}, "flags is '1'"),
    ],
)
def test_another_form_is_refused_by_the_name_of_its_field(tree, message):
    with pytest.raises(ValueError, match=message):
        typed(Outer, tree)
