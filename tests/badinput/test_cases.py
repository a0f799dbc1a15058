"""Hostile and mistaken input, some hundred cases: each one readable message with the way out, and nothing else."""

from __future__ import annotations

import pytest
from badinput_cases import CASES
from badinput_harness import broken_promises

from trainrun.hydra_bridge import compose_cache


@pytest.fixture(scope="module", autouse=True)
def composed_once():
    """Each choice of options is composed by the first case that names it: that is most of what a case costs."""
    with compose_cache.enabled():
        yield


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.id)
def test_bad_input_gets_one_message_and_leaves_no_file(bad, tmp_path):
    assert broken_promises(bad, tmp_path) == []


def test_there_are_at_least_three_hundred_cases_of_different_names():
    assert len({bad.id for bad in CASES}) == len(CASES) >= 300
