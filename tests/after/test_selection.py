"""Conditions on recorded runs: which they select, and what is said of those that cannot be parsed."""

from __future__ import annotations

import pytest

from trainrun.after.selection import Condition
from trainrun.errors import UserError

FACTS = {
    "val_auc": 0.95, "loss": float("nan"), "data": "csv", "data.path": "/tmp/Cars 2.csv", "model.units": [64, 32], "data.group": None,
    "trainer.jit_compile": False, "status": "FINISHED", "started": "2026-11-28 13:00:00", "optimizer.learning_rate": 0.001,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("val_auc > 0.9 and data=csv", True),
        ("val_auc>0.95", False),
        ("val_auc>=0.95", True),
        ("optimizer.learning_rate == 1e-3", True),
        ("data=iris or data = CSV", True),
        ("data=iris or val_auc<1 and status=killed", False),  # `and` binds before `or`
        ("(data=iris or val_auc<1) and not status=killed", True),
        ('data.path="/tmp/Cars 2.csv"', True),
        ("data.path ~ 'cars'", True),
        ("model.units=[64,32]", True),
        ("model.units=[64, 32]", True),
        ("data.group=null", True),
        ("trainer.jit_compile=false", True),
        ("trainer.jit_compile=0", False),
        ("started > 2026-11-01", True),
        ("loss < 1 or loss >= 1", False),  # NaN
        ("test_auc > 0 or test_auc != 0", False),  # the run has none
        ("data > 1", False),
    ],
)
def test_a_condition_selects(text, expected):
    assert Condition(text)(FACTS) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a name is expected"),
        ("val_auc", "an operator after val_auc"),
        ("val_auc >", "a value after val_auc >"),
        ("val_auc > high", "a number after val_auc >"),
        ("val_auc > 0.9 data=csv", "expected `and` or `or`, got 'data'"),
        ("(a=1", "a bracket is not closed"),
        ("a=1)", "got ')'"),
        ("a=1 and and b=2", "expected a name, got 'and'"),
        ('a="1', "cannot be parsed"),
        ("__import__('os').system('true')", "an operator"),
        ("(" * 5000 + "a=1", "within each other"),
    ],
)
def test_what_cannot_be_parsed_gets_the_reason_and_an_example(text, reason):
    with pytest.raises(UserError, match="--where") as caught:
        Condition(text)
    assert reason in str(caught.value) and "val_auc > 0.9 and data=csv" in str(caught.value)
