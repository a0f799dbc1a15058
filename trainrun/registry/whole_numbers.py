"""Whole floats become ints where a component's signature means an int: `model.units=3.2e1` is 32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.errors import UserError
from trainrun.registry import hints, signatures
from trainrun.registry.construct import resolve
from trainrun.util.arguments import Reference


def of_spec(group: str, spec: Any) -> Any:
    """Return a component's node with ints for whole floats, the components that it names included.

    Args:
        group: the component's group.
        spec: a mapping with `name`, or a list of such; anything else, and a component that does not exist, is returned as it is.
    """
    if isinstance(spec, list | tuple):
        return [of_spec(group, one) for one in spec]
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        return spec
    try:
        source = signatures.read(resolve(group, spec)[0])
    except UserError:
        return spec
    known = source.parameters if source else {}
    return {k: _of_value(known[k].hint, v) if k in known else v for k, v in spec.items()}


def _of_value(hint: Any, value: Any) -> Any:
    reference = hints.mark(hint, Reference)
    if reference is None:
        return hints.whole(hint, value)
    if hints.takes_keys(hint) and isinstance(value, Mapping):
        return {k: of_spec(reference.group, one) for k, one in value.items()}
    return of_spec(reference.group, value)
