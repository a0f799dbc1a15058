"""No comment in `conf/` changes a result: where comments cannot be read, every option is checked and a run is trained all the same."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.hydra_bridge import compose_cache, preflight
from trainrun.registry import option_files

GROUPS = ("loss", "metric", "model", "optimizer", "schedule", "callback", "trainer", "hardware", "augment")


@pytest.fixture
def unreadable_comments(monkeypatch):
    def read(self):
        raise AssertionError(f"the comments of {self.path} are read")

    monkeypatch.setattr(option_files.Option, "header", property(read))
    with pytest.raises(AssertionError, match="the comments of"):
        _ = option_files.find("loss", "focal").summary


def test_no_comment_in_conf_is_read(unreadable_comments, inside):
    with compose_cache.enabled():
        for group in GROUPS:
            names = [name for name, option in option_files.packaged(group).items() if option.values]
            preflight.overrides(["data=iris", f"{group}={names[-1]}"])
    run = trainrun.run(
        ["data=iris", "loss=focal", "metric=[accuracy,auc]", "trainer.epochs=1", "tracking=none"]
    )
    assert run.metrics["test_loss"] > 0
