"""One output of a model with its target: loss, metrics, labels. A model with one target has one, under an empty name."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from trainrun.config import outputs
from trainrun.config.rules import augmentation, heads
from trainrun.data.dataset import Dataset, Split
from trainrun.registry import declaration_reader
from trainrun.registry.construct import construct
from trainrun.run import label_encoding, metrics, output_head
from trainrun.run.target_scaling import Unit
from trainrun.trainer.job import Plan
from trainrun.ui import console
from trainrun.util import class_ids
from trainrun.util.declarations import LossDeclaration


@dataclass(frozen=True)
class Output:
    """An output.

    Args:
        name: of the output; empty: the only one.
        config: with the loss and the metrics of this output.
        data: with the target of this output.
    """

    name: str
    config: Mapping[str, Any]
    data: Dataset

    @property
    def key(self) -> str:
        """The key of the loss in the config."""
        return f"loss.{self.name}" if self.name else "loss"

    @property
    def mixed(self) -> bool:
        """Whether an augmentation mixes labels, so that they are shares of classes."""
        return augmentation.mixes(self.config)

    @functools.cached_property
    def spec(self) -> Mapping[str, Any]:
        """The loss's name and arguments, `auto` resolved."""
        return heads.loss_spec(self.config["loss"], self.data.task, self.data.target.kind, self.mixed)

    @functools.cached_property
    def demands(self) -> LossDeclaration:
        """The declaration of the loss."""
        return declaration_reader.of("loss", self.spec["name"])

    @functools.cached_property
    def form(self) -> str:
        """The form of the labels that the loss reads."""
        # Class ids have no mixture.
        prefer = "one_hot" if self.mixed else None
        return label_encoding.choose(self.demands.labels, self.data.target, prefer)

    @property
    def activation(self) -> str | None:
        """The activation of the last layer, for models whose head the data decides."""
        return heads.activation(self.demands, self.spec, self.data.target.kind)

    def meaning(self, model: keras.Model) -> str:
        """Return what the model gives here: ``real``, ``probabilities``, ``logits`` or ``scores``."""
        return output_head.meaning(model, self.config["model"], self.spec, self.demands, self.data, self.name)

    def loss(self, meaning: str, plan: Plan) -> Any:
        """Return the loss of an output of that meaning."""
        runtime = label_encoding.arguments(self.data.target, self.form, meaning, self.demands.predictions)
        return construct("loss", self.spec, key=self.key, complete=True, **plan.lengths(), **runtime)

    def metrics(self, meaning: str, plan: Plan) -> list[keras.metrics.Metric]:
        """Return the metrics of an output of that meaning."""
        return metrics.build(self.config["metric"], self.data, self.form, meaning, plan, self.mixed)

    def labels(self, split: Split) -> np.ndarray:
        """Return labels of this output as the loss reads them."""
        unit = Unit.of(self.data)
        y = split.y if unit is None else unit.standard(split.y)
        return label_encoding.encode(y, self.data.target, self.form)


def of(config: Mapping[str, Any], data: Dataset) -> dict[str, Output]:
    """Return the outputs of a run by name.

    Args:
        config: resolved and checked.
        data: as loaded.
    """
    return {name: Output(name, outputs.of(config, name), one) for name, one in data.each().items()}


def encoded(split: Split | None, parts: Mapping[str, Output], unlabeled: bool = False) -> Split | None:
    """Return a split with its labels as the losses read them, and one weight for each label.

    Args:
        split: as loaded; None: there is none.
        parts: the outputs.
        unlabeled: leave the labels out.
    """
    if split is None or unlabeled:
        return None if split is None else replace(split, y=None)
    of_output = {name: split.output(name) if name else split for name in parts}
    y = {name: part.labels(of_output[name]) for name, part in parts.items()}
    weight = {
        name: label_encoding.weights(of_output[name].y, part.data.target, of_output[name].weight)
        for name, part in parts.items()
    }
    if "" in parts:
        return replace(split, y=y[""], weight=weight[""])
    is_weighted = all(of_one is not None for of_one in weight.values())
    return replace(split, y=y, weight=weight if is_weighted else None)


def class_weights(setting: Any, data: Dataset) -> Any:
    """Return the training labels' weights; `balanced` is examples / (classes · examples of the class).

    Args:
        setting: `trainer.class_weight`; of several outputs, one of each by name.
        data: as loaded.
    """
    if data.target.named:
        each = {name: class_weights(setting.get(name), one) for name, one in data.each().items()}
        plain = np.ones(len(data.train), "float32")
        return {name: plain if weight is None else weight for name, weight in each.items()}
    if setting == "balanced":
        counts = np.bincount(data.train.y.ravel(), minlength=len(data.target.classes))
        setting = {i: counts.sum() / (len(counts) * max(count, 1)) for i, count in enumerate(counts)}
    elif setting is not None:
        names = data.target.classes
        setting = {class_ids.of(label, names): float(weight) for label, weight in setting.items()}
        listed = (f"{name}: {setting.get(i, 1.0):g}" for i, name in enumerate(names))
        console.note(f"class weights: {', '.join(listed)}")
    return label_encoding.weights(data.train.y, data.target, data.train.weight, setting)
