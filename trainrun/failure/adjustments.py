"""Deviations from the config that failures have led to; a resumed run applies them from its beginning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

EVENT = "attempt"


@dataclass(frozen=True)
class Adjustments:
    """Deviations from the config.

    Args:
        parts: parts of each batch (gradient accumulation), where that is more than configured.
        rate: factor of the learning rate or its schedule.
    """

    parts: int = 1
    rate: float = 1.0

    def record(self) -> dict[str, Any]:
        """Return them as the journal and a checkpoint hold them."""
        return asdict(self)


NO_ADJUSTMENTS = Adjustments()


def earlier(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the failures that a run has had so far.

    Args:
        records: the records of its journal.
    """
    bookkeeping = ("seq", "time", "kind", "event")
    return [
        {k: v for k, v in r.items() if k not in bookkeeping}
        for r in records
        if r["kind"] == "event" and r.get("event") == EVENT
    ]


def latest(failures: list[dict[str, Any]]) -> Adjustments:
    """Return the adjustments of the last failure."""
    last = failures[-1] if failures else {}
    parts, rate = last.get("parts", 1), last.get("rate", 1.0)
    valid = isinstance(parts, int) and parts >= 1 and isinstance(rate, int | float) and 0 < rate <= 1
    return Adjustments(parts, float(rate)) if valid else Adjustments()
