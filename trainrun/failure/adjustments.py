"""What failures have made a run do otherwise than its config says; a resumed run does so from the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

EVENT = "attempt"


@dataclass(frozen=True)
class Adjustments:
    """What is different from the config.

    Args:
        parts: each batch is taken in so many parts, where that is more than the config says.
        rate: the learning rate, or its schedule, times this.
    """

    parts: int = 1
    rate: float = 1.0

    def record(self) -> dict[str, Any]:
        """Return them as the journal and a checkpoint have them."""
        return asdict(self)


def earlier(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the failures of a run until now.

    Args:
        records: of its journal.
    """
    own = ("seq", "time", "kind", "event")
    return [
        {k: v for k, v in r.items() if k not in own}
        for r in records
        if r["kind"] == "event" and r.get("event") == EVENT
    ]


def settled(failures: list[dict[str, Any]]) -> Adjustments:
    """Return what the last of these failures has led to."""
    last = failures[-1] if failures else {}
    parts, rate = last.get("parts", 1), last.get("rate", 1.0)
    whole = isinstance(parts, int) and parts >= 1 and isinstance(rate, int | float) and 0 < rate <= 1
    return Adjustments(parts, float(rate)) if whole else Adjustments()
