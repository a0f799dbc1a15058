"""The components that a config names: where their nodes stand, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import outputs, tracker_settings
from trainrun.registry import declaration_reader, option_files


def nodes(config: Mapping[str, Any], group: str) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of each config node that holds a component of a group, whatever its value.

    Args:
        config: as plain values.
        group: such as `loss`.
    """
    node = config.get(group)
    if group == tracker_settings.GROUP:
        yield from tracker_settings.components(node)
    elif group in option_files.SEVERAL and isinstance(node, Mapping):
        of_outputs = outputs.metrics(node) if group == "metric" else {}
        for name, spec in node.items():
            if name in of_outputs:
                yield from ((f"{group}.{name}.{inside}", metric) for inside, metric in spec.items())
            else:
                yield f"{group}.{name}", spec
    elif group == "loss" and (of_outputs := outputs.losses(node)):
        yield group, {key: value for key, value in node.items() if key not in of_outputs}
        yield from ((f"{group}.{output}", spec) for output, spec in of_outputs.items())
    elif group in config:
        yield group, node


def chosen(config: Mapping[str, Any], group: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (key, name of the option or component, node) of each component of a group, `auto` and `none` left out."""
    for key, spec in nodes(config, group):
        if isinstance(spec, Mapping) and spec.get("name") not in ("auto", "none", None):
            name = str(spec["name"])
            option = option_files.by_component(group, name, key)
            yield key, option.name if option else name, spec


def gives_vectors(config: Mapping[str, Any]) -> bool:
    """Return whether the model gives vectors (``output="embedding"``), no predictions of the target."""
    spec = config.get("model")
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return (
        isinstance(name, str) and getattr(declaration_reader.of("model", name), "output", None) == "embedding"
    )


def own_step(trainer: Mapping[str, Any]) -> str | None:
    """Return the name of the training step that replaces the trainer's own (`trainer.step`), or None.

    Args:
        trainer: the config's `trainer`.
    """
    step = trainer.get("step")
    name = step.get("name") if isinstance(step, Mapping) else step
    return None if name in (None, "default") else str(name)
