"""The parameters of a run's attempts: MLflow lets none change, so a resumed run adds what is new, and names what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from trainrun.tracking.mlflow import limits


class Attempt(NamedTuple):
    """What one attempt at a run brings to its parameters.

    Args:
        number: 0 for the first, 1 for the first resumed one.
        fresh: those that no earlier one had.
        changed: those that are other than they were.
    """

    number: int
    fresh: dict[str, str]
    changed: dict[str, str]

    def summary(self, resumed_from: Any) -> str:
        """Return in one line where the attempt went on, and with which other parameters."""
        return "; ".join([f"from {_place(resumed_from)}", *(f"{k}={v}" for k, v in self.changed.items())])


class Attempts:
    """The attempts at one run, in the order of their start records."""

    def __init__(self) -> None:
        self._names = limits.Names()
        self._params: dict[str, str] = {}
        self._by_record: dict[int, Attempt] = {}

    def of(self, start: Mapping[str, Any]) -> Attempt:
        """Return what an attempt brings; the same again where sending it failed half-way.

        Args:
            start: its first record.
        """
        seq = start.get("seq", -1)
        if seq not in self._by_record:
            params = {
                self._names[k]: limits.cut(limits.value(v), limits.PARAM_LENGTH)
                for k, v in (start.get("params") or {}).items()
            }
            fresh = {k: v for k, v in params.items() if k not in self._params}
            changed = {k: v for k, v in params.items() if self._params.get(k, v) != v}
            self._params |= fresh
            self._by_record[seq] = Attempt(len(self._by_record), fresh, changed)
        return self._by_record[seq]


def _place(resumed_from: Any) -> str:
    if not isinstance(resumed_from, Mapping):
        return str(resumed_from or "the beginning")
    step = f", step {resumed_from['step']}" if resumed_from.get("step") else ""
    return f"epoch {resumed_from.get('epoch')}{step}"
