"""Rules of augmentations: what they change and mix must be in the data, and the trainer must apply them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config.named_components import chosen
from trainrun.config.rules import heads
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import declaration_reader, lookup
from trainrun.util.declarations import AugmentDeclaration


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Each augmentation fits the data, the loss and the trainer."""
    trainer = config["trainer"]
    for key, name, spec in chosen(config, "augment"):
        declared = declaration_reader.of("augment", spec["name"])
        if not declaration_reader.of("trainer", trainer["name"]).augments:
            yield Problem(
                key,
                f"trainer={trainer['name']} does not train on augmented batches. Take trainer=fit, custom or train_on_batch, "
                f"or leave the augmentation out: ~{key}.",
            )
        if trainer.get("jit_compile") is True:
            yield Problem(
                key,
                "XLA draws other random numbers from a seed than TensorFlow's kernels do. Set trainer.jit_compile=false.",
            )
        if data.inputs is not None and not _fits(declared, data.inputs):
            yield Problem(key, _misfit(name, declared, config["data"]["name"], data.inputs))
        elif declared.mixes_labels:
            yield from _labels(key, name, config, data)


def mixes(config: Mapping[str, Any]) -> bool:
    """Return whether an augmentation mixes the labels of several examples."""
    named = (spec["name"] for _, _, spec in chosen(config, "augment"))
    return any(declaration_reader.of("augment", name).mixes_labels for name in named)


def _fits(declared: AugmentDeclaration, inputs: tuple[str, ...]) -> bool:
    # What mixes examples mixes all of their inputs, under one label.
    quantifier = all if declared.mixes_labels else any
    return not declared.inputs or quantifier(kind in declared.inputs for kind in inputs)


def _misfit(name: str, declared: AugmentDeclaration, source: str, inputs: tuple[str, ...]) -> str:
    fitting = [n for n in lookup.own_names("augment") if _fits(declaration_reader.of("augment", n), inputs)]
    advice = f"These fit: {', '.join(sorted(fitting))}." if fitting else "None of augment fits this data."
    only = " only" if declared.mixes_labels else ""
    kinds = " and ".join(dict.fromkeys(inputs))
    return f"augment={name} changes {' and '.join(declared.inputs)} input{only}; data={source} has {kinds} input. {advice}"


def _labels(key: str, name: str, config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Mixed labels are shares of classes, which the loss must read."""
    if data.named:
        yield Problem(
            key, f"augment={name} mixes the labels of one target; data={config['data']['name']} has several."
        )
        return
    if data.task is None or data.target is None:
        return
    if data.task == "segmentation":
        yield Problem(
            key,
            f"augment={name} mixes one label per example; data={config['data']['name']} has one per pixel.",
        )
    if data.target == "none":
        return
    loss = heads.loss_spec(config["loss"], data.task, data.target, mixed=True)["name"]
    declared = declaration_reader.of("loss", loss)
    if data.target == "multiclass" and declared.labels and not {"one_hot", "any"} & {*declared.labels}:
        yield Problem(
            key,
            f"augment={name} mixes labels, and loss={loss} reads class ids, which have no mixture. Take loss=auto or "
            "loss=categorical_crossentropy.",
        )
    if declared.predictions == ("scores",) and data.target != "real":
        yield Problem(
            key,
            f"augment={name} mixes labels, and loss={loss} reads labels of -1 and 1 only. Take loss=auto.",
        )
