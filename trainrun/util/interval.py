"""Intervals between checkpoints: auto, 2epochs, 0.25epochs, 500steps, 30s."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from trainrun.util.durations import seconds as duration


@dataclass(frozen=True)
class Interval:
    """An interval between checkpoints.

    Args:
        epochs, steps, seconds: one of them; none: `auto`, which keeps the cost below `SHARE`.
    """

    epochs: Fraction | None = None
    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str | int | None) -> Interval:
        """Read ``auto``, ``2epochs``, ``0.25epochs``, ``500steps`` or a duration such as ``30s`` or ``10m``.

        Raises:
            ValueError: it is none of these.
        """
        word = str(text if text is not None else "auto").strip().lower()
        if word == "auto":
            return cls()
        if (match := re.fullmatch(r"(\d{1,9})\s*steps?", word)) and int(match[1]) > 0:
            return cls(steps=int(match[1]))
        # No finer than a thousandth: the parts of an epoch are to be counted in steps.
        if (match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*epochs?", word)) and Fraction(match[1]) > 0:
            return cls(epochs=Fraction(match[1]))
        try:
            seconds = 0.0 if word.isdigit() else duration(word)
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            raise ValueError(f"expected auto, 2epochs, 0.25epochs, 500steps, 30s or 10m; got {text!r}")
        return cls(seconds=seconds)

    def stride(self, steps: int) -> int | None:
        """Return the steps from one place within an epoch to the next where one may be due; None: after any step, or after none.

        Parts of an epoch are whole numbers of steps, counted from its beginning; the last part takes what is left.

        Args:
            steps: of an epoch.
        """
        if self.epochs is None or self.epochs.denominator == 1:
            return None
        return steps // self.epochs.denominator or None

    def is_due(self, epoch: int, step: int, steps: int) -> bool:
        """Return whether an interval counted in epochs is due at a position.

        Args:
            epoch: epochs done.
            step: steps done of the next one; 0 between two epochs.
            steps: of an epoch.
        """
        stride, parts = self.stride(steps), self.epochs.denominator
        if step and (stride is None or step % stride or step // stride >= parts):
            return False
        part = epoch * parts + (step // stride if step else 0)
        return part % self.epochs.numerator == 0
