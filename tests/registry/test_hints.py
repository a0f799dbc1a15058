"""Type hints: which values of a config fit, and how the expected ones are named in a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest

from trainrun.registry import hints
from trainrun.util.arguments import (
    Count,
    Decay,
    Duration,
    Index,
    NotNegative,
    Positive,
    Range,
    Reference,
    Sizes,
)

SHARE_OR_NULL = Annotated[float, Range(0, 1)] | None
MODE = Literal["min", "max", None]


@pytest.mark.parametrize(
    ("hint", "fitting", "others"),
    [
        (int, [0, -3, 4.0], [1.5, True, "3", None, float("inf")]),
        (float, [1, 0.5], [float("nan"), float("inf"), False, "0.5"]),
        (bool, [True, False], [0, 1, "true"]),
        (str, ["", "a"], [1, None]),
        (Positive, [1e-9], [0, -1]),
        (Decay, [0, 0.999], [1, -0.1]),
        (Annotated[float, Range(above=0, high=2)], [2, 0.1], [0, 2.1]),
        (SHARE_OR_NULL, [0, 1, None], [1.1, "none"]),
        (MODE, ["min", None], ["auto", 0]),
        (Literal[1, True], [1, True], [2, 1.5]),
        (Literal[1], [1], [True]),
        (Sizes, [3, [1, 2]], [0, [1, 0], [1.5], "3"]),
        (list[str], [["a"], []], ["a", [1]]),
        (Sequence[Any], [[1, "a", None]], ["a", 1]),
        (Mapping[str, float], [{"a": 1}], [[1], 1]),
        (Any, [1, None, "a", [1], {}], []),
        (complex, [1, "1+2j"], []),
    ],
)
def test_values_fit_their_hint_and_others_do_not(hint, fitting, others):
    assert [v for v in fitting if not hints.allows(hint, v)] == []
    assert [v for v in others if hints.allows(hint, v)] == []


@pytest.mark.parametrize(
    ("hint", "phrase"),
    [
        (bool, "true or false"),
        (Count, "a whole number of at least 1"),
        (NotNegative | None, "a number of at least 0, or null"),
        (Annotated[int, Range(high=9)], "a whole number of at most 9"),
        (Annotated[float, Range(below=0.5)], "a number below 0.5"),
        (SHARE_OR_NULL, "a number in [0, 1], or null"),
        (Annotated[float, Range(above=0, below=1)], "a number in (0, 1)"),
        (bool | Literal["auto"], "true or false, or auto"),
        (MODE, "one of min, max, null"),
        (Sizes, "a whole number of at least 1, or a list of such"),
        (list[Index], "a list, each a whole number of at least 0"),
        (Mapping[str, Any], "keys with values, {key: value}"),
    ],
)
def test_expected_values_are_named_in_words(hint, phrase):
    assert hints.expects(hint) == phrase


@pytest.mark.parametrize(
    ("hint", "value", "default", "message"),
    [
        (Count, 0, 10, "expected a whole number of at least 1, got 0."),
        (list[int], 3, None, "expected a list, each a whole number, got 3. Write [3]."),
        (bool, None, True, "expected true or false, got null."),
        (Count, 0, 0, None),  # the component's own default
        (Count, False, 0, "expected a whole number of at least 1, got false."),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_way_out(hint, value, default, message):
    assert hints.violation(hint, value, default) == message


@pytest.mark.parametrize(
    ("hint", "one_and_list", "described"),
    [
        (Annotated[Any, Reference("loss")], (True, False), "loss"),
        (Annotated[list, Reference("layer")] | None, (False, True), "list of layer"),
        (list[Annotated[Any, Reference("layer")]], (False, True), "list of layer"),
        (Duration | None, (True, False), "duration"),
        (Sizes, (True, True), "a whole number of at least 1, or a list of such"),
        (Any, (True, False), ""),
    ],
)
def test_references_forms_and_lists_are_recognized(hint, one_and_list, described):
    assert hints.takes(hint) == one_and_list
    assert hints.described(hint) == described


def test_an_argument_without_annotation_has_the_type_of_its_default():
    assert hints.of_default(True, keras=True) is bool
    assert hints.of_default(1, keras=False) == int | float  # 2.5 fits; 2.0 becomes a whole number
    assert hints.allows(hints.of_default(0.5, keras=True), [0.1, 0.2])  # Keras takes one or several
    assert hints.of_default("relu", keras=False) is Any
