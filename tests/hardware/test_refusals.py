"""What does not fit the devices is told by `check`, with the way out; what only the machine knows, at the start."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight

TWO = ["hardware=mirrored", "hardware.virtual_devices=2"]


@pytest.mark.parametrize(
    ("overrides", "key", "message"),
    [
        (["hardware=parameter_server"], "hardware", "there is no option 'parameter_server'"),
        (["hardware=multi_worker", "hardware.local_workers=2"], "trainer", "Take trainer=custom"),
        (["hardware=multi_worker", "trainer=custom"], "hardware.workers", "hardware.local_workers=2"),
        (["hardware=multi_worker", "trainer=custom", "hardware.workers=2"], "hardware.workers", "expected the addresses"),
        ([*TWO, "trainer=train_on_batch"], "trainer", "does not divide a batch"),
        ([*TWO, "optimizer.gradient_accumulation_steps=2"], "optimizer.gradient_accumulation_steps", "trainer.accumulate"),
        ([*TWO, "optimizer.use_ema=true", "optimizer.ema_overwrite_frequency=5"], "optimizer.ema_overwrite_frequency", "null"),
        ([*TWO, "trainer.jit_compile=true"], "trainer.jit_compile", "Set it to auto"),
        (["hardware.deterministic=true", "trainer.jit_compile=true"], "trainer.jit_compile", "Set one of them to false"),
        ([*TWO, "trainer.steps_per_execution=4"], "trainer.steps_per_execution", "trainer=custom"),
        ([*TWO, "loss=dice"], "loss", "Set loss.axis"),
        ([*TWO, "loss.reduction=sum", "loss=scce"], "loss.reduction", "trainer=custom"),
        ([*TWO, "trainer.batch_size=1", "trainer=custom"], "trainer.batch_size", "at least one example"),
        ([*TWO, "data=iris", "trainer.limit=41", "trainer.batch_size=8"], "trainer.batch_size", "would hold 1"),
        ([*TWO, "hardware.devices=[0,1]"], "hardware.virtual_devices", "names GPUs"),
        ([*TWO, "hardware.scale_learning_rate=linear"], "hardware.scale_learning_rate", "per_replica"),
        (["hardware=gpu", "hardware.memory_limit=0"], "hardware.memory_limit", "at least 1"),
    ],
)  # fmt: skip
def test_check_refuses_hardware_that_does_not_fit(overrides, key, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    _, problems = preflight.overrides(overrides)
    assert [p.key for p in problems] == [key]
    assert message in problems[0].message


@pytest.mark.parametrize("overrides", [[*TWO], [*TWO, "trainer=custom", "loss=scce", "loss.reduction=sum"], ["hardware=gpu"], ["hardware=tpu", "trainer=custom"]])  # fmt: skip
def test_what_fits_is_left_alone(overrides):
    assert preflight.overrides(overrides)[1] == []


@pytest.mark.parametrize("name", ["gpu", "tpu", "mirrored"])
def test_a_device_that_is_not_there(name, inside, monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(UserError, match=r"TensorFlow finds CPU:0.*hardware[=.]"):
        trainrun.run(["tracking=none", "data=iris", f"hardware={name}", "trainer=custom"])
    assert not list(inside.iterdir()), "left something behind"
