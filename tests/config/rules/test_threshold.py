"""A criterion of the decision threshold needs a validation part, which of a plug-in's data only loading reveals."""

from __future__ import annotations

import pytest

from trainrun.config.rules import threshold
from trainrun.data.dataset import Description

BOTH = ("train", "validation")


@pytest.mark.parametrize(
    ("value", "validation", "parts", "fault"),
    [
        ("f1", 0.2, None, None),
        ("f1", None, BOTH, None),
        ("f1", 0, None, "data.validation is 0"),
        ("f1", None, ("train", "test"), "which data=mine has not"),
        (0.4, None, ("train", "test"), None),
    ],
)
def test_criteria_need_a_validation_part(value, validation, parts, fault):
    config = {"threshold": value, "data": {"name": "mine", "validation": validation}}
    problems = [p.message for p in threshold.problems(config, Description(target="binary", parts=parts))]
    assert [fault in message for message in problems] == ([] if fault is None else [True])
