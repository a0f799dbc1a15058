"""Limits of a config's interpolations: the environment variables that they may read, and their number and size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainrun.config.safety import LONGEST
from trainrun.util import grants, redaction

# Maximum number of look-ups of one config.
LOOKUPS = 3_000


def environment(key: str, *default: Any) -> str | None:
    """Return an environment variable for ``${oc.env:NAME}``, if configs may read it.

    A config's values are printed, recorded and sent to the tracking server that the config names.

    Raises:
        ValueError: configs may not read it.
    """
    from omegaconf.resolvers import oc

    if redaction.is_secret(str(key)):
        raise ValueError(
            f"${{oc.env:{key}}} sounds like a secret, and a config's values are recorded. Trackers read their credentials from "
            "the environment by themselves: docs/security.md names the variables."
        )
    if not grants.readable(str(key)) and str(key) in os.environ:
        raise ValueError(
            f"${{oc.env:{key}}}: a config may not read this variable unasked, because its values are recorded and sent to the "
            f"tracker. Allow it on the command line: --env {key}. docs/security.md names those that are always allowed."
        )
    return oc.env(key, *default)


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the look-ups of interpolations inside the `with`; beyond, a ValueError is raised.

    OmegaConf 2.3 resolves interpolations that multiply one another without a limit of time or memory, so its method is replaced
    meanwhile; tests/badinput has such configs.
    """
    from omegaconf.base import Container

    resolve, count = Container.resolve_parse_tree, 0

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count > LOOKUPS:
            raise ValueError(
                f"its interpolations lead to more than {LOOKUPS:,} look-ups. Write the values out"
            )
        value = resolve(self, *args, **kwargs)
        if isinstance(value, str) and len(value) > LONGEST:
            raise ValueError(
                f"its interpolations make a text of {len(value):,} characters. Write the values out"
            )
        return value

    Container.resolve_parse_tree = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Container.resolve_parse_tree = resolve  # type: ignore[method-assign]


def plain(config: Any) -> dict[str, Any]:
    """Return the config without Hydra's node, interpolations resolved, in its normal form."""
    from omegaconf import OmegaConf

    from trainrun.config import normal_form

    def value(key: str) -> Any:
        node = config[key]
        return (
            OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
            if OmegaConf.is_config(node)
            else node
        )

    with bounded():
        # Key by key: copying the config without Hydra's node takes as long as composing.
        tree = {str(key): value(key) for key in config if key != "hydra"}
    return normal_form.of(tree)
