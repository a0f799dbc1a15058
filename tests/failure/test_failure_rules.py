"""What `on_failure` may say."""

from __future__ import annotations

import pytest

from trainrun.hydra_bridge import preflight


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        (["on_failure.out_of_memory=acumulate"], "on_failure.out_of_memory", "Did you mean accumulate?"),
        (["on_failure.non_finite=ignore"], "on_failure.non_finite", "stop or rollback"),
        (["on_failure.lost=never"], "on_failure.lost", "retry or stop"),
        (["on_failure.retries=-1"], "on_failure.retries", "at least 0"),
        (["on_failure.rate=1"], "on_failure.rate", "below 1"),
        (["on_failure.minutes=-5"], "on_failure.minutes", "at least 0"),
        (["hardware=multi_worker", "hardware.local_workers=2", "trainer=custom", "on_failure.non_finite=rollback"],
         "on_failure.non_finite", "multi_worker"),
    ],
)  # fmt: skip
def test_what_it_may_not_say(given, key, said):
    _, problems = preflight.overrides(given)
    assert [p.key for p in problems] == [key] and said in problems[0].message


def test_what_it_says_by_itself():
    config, problems = preflight.overrides([])
    assert not problems
    assert config["on_failure"] == {
        "out_of_memory": "accumulate", "non_finite": "stop", "rate": 0.5, "rollbacks": 3, "lost": "retry", "retries": 1,
        "minutes": 5.0,
    }  # fmt: skip
