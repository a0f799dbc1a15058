"""Rules of averaged weights as the model of a run (`artifacts.weights=ema|swa`, `optimizer.use_ema`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config.named_components import chosen
from trainrun.config.rules import trainer_steps
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import declaration_reader

KEY = "artifacts.weights"
EMA, SWA = "ema", "swa"


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Averaged weights need what averages them, and nothing that replaces them at the end."""
    optimizer, choice = config.get("optimizer") or {}, (config.get("artifacts") or {}).get("weights")
    if choice in (EMA, SWA):
        yield from _chosen(config, choice, optimizer)
        return
    if optimizer.get("use_ema"):
        return
    for key, _, spec in chosen(config, "callback"):
        if declaration_reader.of("callback", spec["name"]).needs_averaged_weights:
            yield Problem(
                key,
                "it swaps in the moving average of the weights, which the optimizer does not keep. Set optimizer.use_ema=true.",
            )


def _chosen(config: Mapping[str, Any], choice: str, optimizer: Mapping[str, Any]) -> Iterator[Problem]:
    if choice == EMA and "use_ema" not in optimizer:
        name = optimizer.get("name")
        yield Problem(KEY, f"optimizer={name} keeps no moving average. Take another one, or best.")
    elif text := trainer_steps.fault(config, "keeps no average of the weights."):
        yield Problem(KEY, text)
    if choice == SWA and optimizer.get("use_ema"):
        text = "artifacts.weights=swa averages the weights itself. Set it to false, or artifacts.weights=ema."
        yield Problem("optimizer.use_ema", text)
    for callback, _, spec in chosen(config, "callback"):
        if spec.get("restore_best_weights"):
            text = "it replaces the averaged weights at the end. Set it to false, or artifacts.weights=best."
            yield Problem(f"{callback}.restore_best_weights", text)
        elif declaration_reader.of("callback", spec["name"]).needs_averaged_weights:
            yield Problem(callback, f"{KEY}={choice} validates the average by itself. Leave it out.")
