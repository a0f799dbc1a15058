"""Lengths of training: `1000`, `3epochs`, `0.5run` or `50%`, and what each is in steps.

A step is one batch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNITS = {"": "steps", "step": "steps", "epoch": "epochs", "run": "run", "%": "run"}
_TEXT = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*(steps?|epochs?|runs?|%)?\s*")
EXAMPLES = "for example 1000 (steps), 3epochs, 0.5run or 50%"


@dataclass(frozen=True)
class Length:
    """A length of training.

    Args:
        amount: how many, at least 0; a whole number if steps.
        unit: `steps`, `epochs` or `run` (the whole run is 1).
    """

    amount: float
    unit: str

    def steps(self, total_steps: int, steps_per_epoch: int) -> int:
        """Return the length in steps: rounded, but at least 1 unless it is 0.

        Args:
            total_steps: steps of the whole run.
            steps_per_epoch: steps of one epoch.
        """
        scale = {"steps": 1, "epochs": steps_per_epoch, "run": total_steps}[self.unit]
        return max(round(self.amount * scale), 1) if self.amount else 0

    def __str__(self) -> str:
        number = f"{self.amount:g}" if self.amount != int(self.amount) else str(int(self.amount))
        return number if self.unit == "steps" else number + self.unit


def parse(value: str | float) -> Length:
    """Read a length.

    Args:
        value: a whole number of steps (`1000`, `"1000"`, `"1000steps"`), epochs (`"3epochs"`, `"1 epoch"`),
            or a share of the run (`"0.5run"`, `"50%"`).

    Raises:
        ValueError: it is none of these; the message gives examples.
    """
    match = None if isinstance(value, bool) else _TEXT.fullmatch(str(value))
    if not match:
        raise ValueError(f"expected a length, {EXAMPLES}; got {value!r}.")
    amount, unit = float(match[1]), UNITS[(match[2] or "").removesuffix("s")]
    if match[2] == "%":
        amount /= 100
    if unit == "steps" and amount != int(amount):
        raise ValueError(f"{value!r} is no whole number of steps, and says no other unit; {EXAMPLES}.")
    return Length(amount, unit)


def to_steps(
    value: str | float | Sequence[str | float] | None, total_steps: int, steps_per_epoch: int
) -> int | list[int] | None:
    """Return a length, or each of a list of lengths, in steps; None stays None.

    Raises:
        ValueError: as `parse`.
    """
    if value is None:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [parse(v).steps(total_steps, steps_per_epoch) for v in value]
    return parse(value).steps(total_steps, steps_per_epoch)


def in_steps(
    names: Collection[str], spec: Mapping[str, Any], total_steps: int, steps_per_epoch: int
) -> dict[str, Any]:
    """Return a component's arguments with lengths such as `0.5run` or `3epochs` as numbers of steps.

    Args:
        names: the arguments that are lengths.
        spec: all arguments.
        total_steps: of the run.
        steps_per_epoch: of an epoch.
    """
    return {k: to_steps(v, total_steps, steps_per_epoch) if k in names else v for k, v in spec.items()}
