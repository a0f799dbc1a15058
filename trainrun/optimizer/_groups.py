"""Weights with a learning rate or a weight decay of their own inside one optimizer (`optimizer.groups`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from trainrun.compat import keras_optimizer_private
from trainrun.errors import Problem, UserError

KEY = "optimizer.groups"
SCALE, DECAY = "scale", "weight_decay"
# Attributes that hold a weight decay; Muon has one more.
DECAYS = ("weight_decay", "adam_weight_decay")


def settings(groups: Mapping[str, Mapping[str, Any]], path: str) -> dict[str, Any]:
    """Return the settings of a weight: those of all expressions that match its path, of later ones first.

    Args:
        groups: regular expression -> `scale` and `weight_decay`.
        path: of the weight.
    """
    merged: dict[str, Any] = {}
    for pattern, own in groups.items():
        if re.fullmatch(pattern, path):
            merged |= {k: v for k, v in own.items() if v is not None}
    return merged


def apply(
    optimizers: Sequence[keras.optimizers.Optimizer],
    groups: Mapping[str, Mapping[str, Any]],
    variables: Mapping[str, Any],
) -> None:
    """Give weights the settings of their groups, within the optimizer's one step.

    The gradients of all groups are clipped together, counted by one counter and averaged as before; a schedule is scaled with its
    group. Weight decay is that of the group, times its learning rate.

    Args:
        optimizers: the optimizer and those inside it; changed in place.
        groups: regular expression -> `scale`, a factor of the learning rate, and `weight_decay`.
        variables: path -> weight, of the whole model.

    Raises:
        UserError: the optimizer wraps others, to which a weight decay of a group could belong, too.
    """
    merged = {path: settings(groups, path) for path in variables}
    distinct = [{}, *(s for i, s in enumerate(merged.values()) if s and s not in [*merged.values()][:i])]
    members = [distinct.index(merged[path]) for path in variables]
    leaves = [x for x in optimizers if not isinstance(x, keras.optimizers.LossScaleOptimizer)]
    if any(hasattr(x, "inners") for x in leaves) and any(DECAY in s for s in distinct):
        raise UserError(
            Problem(
                KEY,
                f"{type(leaves[0]).__name__} wraps other optimizers, and a group's weight decay would be applied by each. Give the groups a "
                "scale only, or take an optimizer that wraps none.",
            )
        )
    for leaf in leaves:
        _divide(leaf, distinct, members, list(variables.values()))


def _divide(
    optimizer: keras.optimizers.Optimizer,
    distinct: Sequence[Mapping[str, Any]],
    members: list[int],
    variables: list[Any],
) -> None:
    # Attributes, so that trials are compared by them; their numbers may differ between the trials of one graph.
    layout = [*members, *(int(k in s) for s in distinct for k in (SCALE, DECAY))]
    held = {
        "group_scales": [s.get(SCALE, 1.0) for s in distinct],
        "group_decays": [s.get(DECAY, 0.0) for s in distinct],
        "group_layout": layout,
        "group_layout_text": str(layout),
    }
    for name, value in held.items():
        object.__setattr__(optimizer, name, value)

    def scale(group: int) -> Any:
        return optimizer.group_scales[group] if SCALE in distinct[group] else None

    def own_decay(group: int) -> Any:
        return optimizer.group_decays[group] if DECAY in distinct[group] else None

    group_by_key: dict[Any, int] = {}

    def group_of(variable: Any) -> int:
        if not group_by_key:
            keys = (keras_optimizer_private.variable_key(optimizer, v) for v in variables)
            group_by_key.update(zip(keys, members, strict=True))
        return group_by_key.get(keras_optimizer_private.variable_key(optimizer, variable), 0)

    def update(step: Callable[..., None], gradient: Any, variable: Any, rate: Any) -> None:
        group = group_of(variable)
        factor = scale(group)
        with _decaying(optimizer, own_decay(group), None):  # some optimizers decay in their update
            step(gradient, variable, rate if factor is None else factor * keras.ops.convert_to_tensor(rate))

    def decay(step: Callable[..., None], listed: Sequence[Any]) -> None:
        for variable in listed:
            group = group_of(variable)
            with _decaying(optimizer, own_decay(group), scale(group)):
                step([variable])

    # A wrapper's update is that of the optimizers inside it.
    keras_optimizer_private.replace_parts(optimizer, decay, None if hasattr(optimizer, "inners") else update)


@contextmanager
def _decaying(optimizer: keras.optimizers.Optimizer, value: Any, factor: Any) -> Iterator[None]:
    """Let an optimizer decay by another value, and times a factor, inside the `with`."""
    saved = {name: getattr(optimizer, name) for name in DECAYS if hasattr(optimizer, name)}
    try:
        for name, own in saved.items():
            chosen = own if value is None else value
            if chosen is not None:
                setattr(optimizer, name, chosen if factor is None else factor * chosen)
        yield
    finally:
        for name, own in saved.items():
            setattr(optimizer, name, own)
