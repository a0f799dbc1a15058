"""Which trials can share a compiled program or one graph."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.sweep.launchers import alike


@pytest.mark.parametrize("capability", [alike.SHARES_PROGRAM, alike.VECTORIZES])
def test_default_step_is_no_obstacle(capability):
    for trainer in ("fit", "custom"):
        config = trainrun.compose([f"trainer={trainer}", "tracking=none"])
        assert alike.obstacle(config, capability) is None
    config["trainer"]["step"] = "a_step_that_no_plug_in_registers"
    assert alike.obstacle(config, capability) == "trainer.step"
