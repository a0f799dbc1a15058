"""What `failure` may say."""

from __future__ import annotations

import pytest

from trainrun.hydra_bridge import preflight


@pytest.mark.parametrize(
    ("overrides", "key", "message"),
    [
        (["failure.out_of_memory=acumulate"], "failure.out_of_memory", "Did you mean accumulate?"),
        (["failure.non_finite=ignore"], "failure.non_finite", "stop or rollback"),
        (["failure.lost=never"], "failure.lost", "retry or stop"),
        (["failure.retries=-1"], "failure.retries", "at least 0"),
        (["failure.rate=1"], "failure.rate", "below 1"),
        (["failure.minutes=-5"], "failure.minutes", "at least 0"),
        (["hardware=multi_worker", "hardware.local_workers=2", "trainer=custom", "failure.non_finite=rollback"],
         "failure.non_finite", "multi_worker"),
    ],
)  # fmt: skip
def test_invalid_failure_settings_are_refused(overrides, key, message):
    _, problems = preflight.overrides(overrides)
    assert [p.key for p in problems] == [key] and message in problems[0].message


def test_defaults_of_the_failure_settings():
    config, problems = preflight.overrides([])
    assert not problems
    assert config["failure"] == {
        "out_of_memory": "accumulate", "non_finite": "stop", "rate": 0.5, "rollbacks": 3, "lost": "retry", "retries": 1,
        "minutes": 5.0,
    }  # fmt: skip
