"""Settings that need steps on batches are refused with the reason that is true of the trainer."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.errors import UserError

PLUGIN = """
import trainrun

@trainrun.register("trainer", "{name}"{declared})
class Own:
    def train(self, job, callbacks):
        return {{}}
"""
QUANTIZED, PHASES = "model.quantization_aware=int8", "phases=[{epochs: 1}]"
SETTINGS = [QUANTIZED, PHASES, "artifacts.weights=swa", "profile=true", "tune.batch_size=auto"]


def config(folder, name: str, declared: str) -> list[str]:
    path = folder / f"{name}.py"
    path.write_text(PLUGIN.format(name=name, declared=declared))
    return [f"plugins=[{path}]", "data=iris", f"trainer={name}"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_trainer_of_a_plug_in_is_told_what_it_does_not_declare(tmp_path, setting):
    with pytest.raises(UserError) as error:
        trainrun.compose([*config(tmp_path, "silent_trainer", ""), setting])
    key = setting.partition("=")[0]
    assert str(error.value).startswith(f"{key}: ")
    assert "trainer=silent_trainer does not declare takes_steps. Give trainrun.register" in str(error.value)


def test_a_trainer_of_a_plug_in_that_declares_steps_is_taken(tmp_path):
    own = config(tmp_path, "stepping_trainer", ", takes_steps=True")
    assert trainrun.compose([*own, QUANTIZED, PHASES])["trainer"]["name"] == "stepping_trainer"


@pytest.mark.parametrize(("setting", "reason"), [(PHASES, "has no epochs."), (QUANTIZED, "searches where")])
def test_a_trainer_of_the_whole_data_keeps_its_reason(setting, reason):
    with pytest.raises(UserError) as error:
        trainrun.compose(["data=iris", "trainer=gradient_loop", setting])
    assert f"trainer=gradient_loop {reason}" in str(error.value)
    assert str(error.value).endswith("Take trainer=fit, train_on_batch or custom.")
