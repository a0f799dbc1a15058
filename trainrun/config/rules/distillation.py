"""Rules of a run that learns from a teacher: the file is there, and each batch can hold its outputs beside the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import outputs
from trainrun.config.named_components import own_step
from trainrun.config.rules import heads, trainer_steps
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.model import source_file
from trainrun.model.source_file import ALPHA, TEACHER, TEMPERATURE
from trainrun.registry import declaration_reader


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`teacher` names a run or a model, and trainer, loss and data can learn from it."""
    teacher = config.get(TEACHER)
    if teacher is None:
        for key in (ALPHA, TEMPERATURE):
            if config.get(key) is not None:
                yield Problem(
                    key,
                    f"it goes with {TEACHER}, the run or file that is learnt from, which is null. Set {TEACHER}, or leave it out.",
                )
        return
    if not isinstance(teacher, str):
        return
    if (fault := source_file.fault(teacher, TEACHER)) is not None:
        yield Problem(TEACHER, fault)
    if text := trainer_steps.fault(config, "takes no steps on batches that hold the teacher's outputs."):
        yield Problem(TEACHER, text)
    if own_step(config["trainer"]) is not None:
        text = "its outputs stand beside the labels of a batch, which a training step of your own would not expect. Leave trainer.step out."
        yield Problem(TEACHER, text)
    if config.get("augment"):
        text = "its outputs are computed once, for the examples as they are, and augment changes them in each epoch. Leave augment out."
        yield Problem(TEACHER, text)
    if data.target == "none":
        yield Problem(TEACHER, f"data={config['data']['name']} has no target. Leave it null.")
    targets = data.named or {"": data}
    if config.get(TEMPERATURE) is not None and all(one.target == "real" for one in targets.values()):
        text = f"it softens the probabilities of classes; data={config['data']['name']} is regression. Leave it null."
        yield Problem(TEMPERATURE, text)
    for output, one in targets.items():
        if one.task is None or one.target not in heads.ACTIVATION:
            continue
        loss = heads.loss_spec(
            outputs.of(config, output)["loss"] if output else config["loss"], one.task, one.target
        )
        if heads.before(declaration_reader.of("loss", loss["name"])) == "scores":
            text = (
                f"loss={loss['name']} reads scores, which are no logarithms of probabilities. Try loss=auto."
            )
            yield Problem(TEACHER, text)
