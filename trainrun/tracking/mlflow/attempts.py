"""Parameters of a resumed run: MLflow's are immutable, so new ones are added and changed ones are listed in a tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from trainrun.tracking.mlflow import limits


class Attempt(NamedTuple):
    """One attempt at a run, and its parameters relative to the earlier attempts.

    Args:
        number: 0 for the first, 1 for the first resumed one.
        fresh: parameters that no earlier attempt had.
        changed: parameters whose value differs from that of an earlier attempt.
    """

    number: int
    fresh: dict[str, str]
    changed: dict[str, str]

    def summary(self, resumed_from: Any) -> str:
        """Return one line: the checkpoint that the attempt resumed from, and its changed parameters."""
        return "; ".join([f"from {_place(resumed_from)}", *(f"{k}={v}" for k, v in self.changed.items())])


class Attempts:
    """The attempts at one run, in the order of their start records."""

    def __init__(self) -> None:
        self._names = limits.Names()
        self._params: dict[str, str] = {}
        self._by_record: dict[int, Attempt] = {}

    def of(self, start: Mapping[str, Any]) -> Attempt:
        """Return the attempt of a start record; a repeated call, after a failed request, returns the same one.

        Args:
            start: the attempt's first record.
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
