"""Rules of weights that are not trained: regular expressions that can be read, of a model that has something left to train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import signatures
from trainrun.registry.construct import resolve
from trainrun.util import patterns


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`model.freeze` and `model.trainable` are regular expressions; whether they match is known once the model is built."""
    spec = config["model"]
    for key in ("freeze", "trainable"):
        for pattern in patterns.listed(spec.get(key)):
            if reason := patterns.fault(pattern):
                yield Problem(f"model.{key}", reason)
    if spec.get("trainable") is False:
        source = signatures.read(resolve("model", spec)[0])
        if source is not None and "trainable" not in source.parameters:
            yield Problem(
                "model.trainable",
                f"model={spec['name']} would have nothing to train. Name the weights to train, model.trainable='head/.*', or those "
                "that are not, by model.freeze.",
            )


def treated_differently(config: Mapping[str, Any]) -> bool:
    """Return whether what becomes of each weight is known only once the model is built."""
    return names_weights(config) or config.get("init_from") is not None


def names_weights(config: Mapping[str, Any]) -> bool:
    """Return whether a config freezes weights by their paths."""
    return any(patterns.listed(config["model"].get(key)) for key in ("freeze", "trainable"))
