"""Rules of an optimizer's settings that do not go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem


def nesterov(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Nesterov's step needs a momentum."""
    optimizer = config.get("optimizer") or {}
    if optimizer.get("nesterov") is True and not optimizer.get("momentum", 1):
        yield Problem(
            "optimizer.nesterov",
            "true needs a momentum above 0; optimizer.momentum is 0. Try optimizer.momentum=0.9, or optimizer=nag.",
        )


def clipping(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Keras clips gradients in one way at a time."""
    optimizer = config.get("optimizer") or {}
    kinds = [k for k in ("clipnorm", "clipvalue", "global_clipnorm") if optimizer.get(k) is not None]
    if len(kinds) > 1:
        yield Problem(
            f"optimizer.{kinds[0]}",
            f"only one way of clipping at a time; {' and '.join(kinds)} are set. Set the others to null.",
        )
