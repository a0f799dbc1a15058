"""What is registered with Hydra follows the folder that a process works in."""

from __future__ import annotations

import warnings

import pytest

from trainrun.hydra_bridge import preflight
from trainrun.registry import lookup

PLUGIN = """
import trainrun

@trainrun.register("loss", "moved")
def moved(y_true, y_pred, *, power: float = 2.0):
    return abs(y_true - y_pred) ** power
"""


@pytest.fixture(autouse=True)
def no_other_plugins():
    with lookup.isolated():
        yield


def test_a_yaml_takes_the_place_of_an_option_that_was_offered_without_one(inside, monkeypatch):
    typed = ["data=diabetes", "loss=moved", "plugins=[./mine.py]"]
    for folder, yaml in (("a", None), ("b", "name: moved\npower: 3.0 # exponent\n"), ("c", None)):
        (inside / folder).mkdir()
        (inside / folder / "mine.py").write_text(PLUGIN)
        if yaml is not None:
            (inside / folder / "conf" / "loss").mkdir(parents=True)
            (inside / folder / "conf" / "loss" / "moved.yaml").write_text(yaml)
        monkeypatch.chdir(inside / folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            config, problems = preflight.overrides(typed)
        assert problems == []
        assert config["loss"]["power"] == (2.0 if yaml is None else 3.0)
