"""Rules of an optimizer's settings that do not go together, and of the optimizers in `optimizer.map`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import optimizer_map
from trainrun.config.named_components import chosen
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import declaration_reader
from trainrun.util import patterns

# Arguments of an optimizer that belong to the whole update, so to optimizer=multi and not to one in its map.
OF_WHOLE_UPDATE = ("use_ema", "loss_scale_factor", "gradient_accumulation_steps")


def _nodes(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (key, node) of the optimizer and of those in its map."""
    yield "optimizer", config.get("optimizer") or {}
    yield from ((_key(pattern), spec) for pattern, spec in optimizer_map.entries(config).items())


def _key(pattern: str) -> str:
    return f"{optimizer_map.KEY}[{pattern!r}]"


def nesterov(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Nesterov's step needs a momentum."""
    for key, optimizer in _nodes(config):
        if optimizer.get("nesterov") is True and not optimizer.get("momentum", 1):
            text = f"true needs a momentum above 0; {key}.momentum is 0. Try a momentum of 0.9, or the optimizer nag."
            yield Problem(f"{key}.nesterov", text)


def clipping(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Keras clips gradients in one way at a time."""
    for key, optimizer in _nodes(config):
        kinds = [k for k in ("clipnorm", "clipvalue", "global_clipnorm") if optimizer.get(k) is not None]
        if len(kinds) > 1:
            text = (
                f"only one way of clipping at a time; {' and '.join(kinds)} are set. Set the others to null."
            )
            yield Problem(f"{key}.{kinds[0]}", text)


def multi(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`optimizer.map` is a map of regular expressions to optimizers; whether they match is known once the model is built."""
    optimizer = config.get("optimizer") or {}
    if optimizer.get("name") != "multi":
        return
    if not optimizer.get("map"):
        text = "expected an optimizer for each part of the model. Write {hidden_1/.*: {name: sgd, learning_rate: 0.01}, .*: adam}."
        yield Problem(optimizer_map.KEY, text)
        return
    for pattern in optimizer["map"] if isinstance(optimizer["map"], Mapping) else ():
        if not isinstance(pattern, str):
            text = f"expected a regular expression over the paths of weights, got {pattern!r}. Write {{hidden_1/.*: sgd}}."
            yield Problem(optimizer_map.KEY, text)
        elif reason := patterns.fault(pattern):
            yield Problem(optimizer_map.KEY, reason)
    if optimizer.get("groups"):
        text = "optimizer=multi has a rate and a weight decay for each part: set them in optimizer.map, and groups to null."
        yield Problem("optimizer.groups", text)
    for pattern, spec in optimizer_map.entries(config).items():
        key = _key(pattern)
        for name in OF_WHOLE_UPDATE:
            if spec.get(name):
                text = f"it is of the whole update, not of one optimizer in the map. Set optimizer.{name}."
                yield Problem(f"{key}.{name}", text)
        yield from _rates(config, key, spec)


def _rates(config: Mapping[str, Any], key: str, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what sets the learning rate of one optimizer in the map twice, or starts a schedule from none."""
    schedule, own = optimizer_map.schedule(spec), spec.get("learning_rate")
    common = (config.get("optimizer") or {}).get("learning_rate")
    if common is not None and (own is not None or schedule):
        text = "optimizer.learning_rate is the rate of all in the map, and this one has its own. Set one of them to null."
        yield Problem(f"{key}.learning_rate", text)
    if not schedule:
        return
    if missing := [k for k, v in schedule.items() if v is None and k.endswith("learning_rate")]:
        yield Problem(
            f"{key}.schedule.{missing[0]}",
            "a schedule needs a rate to start from. Set learning_rate beside it.",
        )
    for _, name, of_callback in chosen(config, "callback"):
        if declaration_reader.of("callback", of_callback["name"]).sets_learning_rate:
            text = f"callback={name} sets the learning rates, and so does this schedule. Take one of them."
            yield Problem(f"{key}.schedule", text)
