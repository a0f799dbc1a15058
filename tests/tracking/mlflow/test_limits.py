"""What MLflow takes, and what its errors mean."""

from __future__ import annotations

import json
import math

import pytest

from trainrun.tracking.delivery import errors
from trainrun.tracking.mlflow import faults, limits


def test_two_names_never_become_one_and_the_same_names_give_the_same():
    names = ["a@b", "a#b", "a b", "a@b", "/x", "//x", "k" * 400, "k" * 400 + "j", "", "."]
    one, two = limits.Names(), limits.Names()
    safe = [one[name] for name in names]
    assert safe == [two[name] for name in names]
    assert len(set(safe)) == len(set(names))
    assert safe[0] == safe[3] == "a_b" and all(0 < len(name) <= 250 for name in safe)


def test_portions_keep_to_count_and_bytes():
    items = [(f"k{i}", "ü" * 6000) for i in range(150)]
    portions = list(limits.portions(items))
    assert [item for portion in portions for item in portion] == items
    assert all(len(json.dumps(portion)) < 1_000_000 for portion in portions)
    assert [len(p) for p in limits.portions([("a", "b")] * 250)] == [100, 100, 50]


@pytest.mark.parametrize(("time", "stamp"), [(1.5, 1500), (-3.0, 0), (math.inf, 0), ("x", 0)])
def test_times_are_whole_milliseconds(time, stamp):
    assert limits.milliseconds({"time": time}) == stamp


def test_errors_are_classified_by_their_remedy():
    from mlflow.exceptions import MlflowException, RestException

    def rest(code, message=""):
        return RestException({"error_code": code, "message": message})

    assert faults.kind(ConnectionError()) == errors.PASSING
    assert faults.kind(rest("INTERNAL_ERROR")) == errors.PASSING
    assert faults.kind(rest("TEMPORARILY_UNAVAILABLE")) == errors.PASSING
    assert faults.kind(rest("PERMISSION_DENIED")) == errors.REFUSED
    assert faults.kind(rest("INVALID_PARAMETER_VALUE")) == errors.INVALID
    assert (
        faults.kind(rest("BAD_REQUEST", "(sqlite3.IntegrityError) UNIQUE constraint failed")) == errors.RACE
    )
    assert faults.kind(rest("RESOURCE_DOES_NOT_EXIST")) == errors.GONE
    assert (
        faults.kind(rest("INVALID_PARAMETER_VALUE", "The run x must be in the 'active' state"))
        == errors.DELETED
    )
    secret = MlflowException("no\nhttp://me:hunter2@host")
    assert "\n" not in faults.reason(secret)
    assert "hunter2" not in faults.reason(MlflowException("http://me:hunter2@host said no"))
    assert len(faults.reason(ValueError("x" * 1000))) < 250
