"""How often a checkpoint is written, as people write it: auto, 2epochs, 500steps, 30s."""

from __future__ import annotations

from dataclasses import dataclass

from trainrun.duration import seconds as duration


@dataclass(frozen=True)
class Interval:
    """How often.

    Args:
        epochs, steps, seconds: one of them; none: `auto`, which keeps the cost below `SHARE`.
    """

    epochs: int | None = None
    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str | int | None) -> Interval:
        """Read ``auto``, ``2epochs``, ``500steps`` or a duration such as ``30s`` or ``10m``.

        Raises:
            ValueError: it is none of these.
        """
        word = str(text if text is not None else "auto").strip().lower()
        if word == "auto":
            return cls()
        for unit in ("epochs", "epoch", "steps", "step"):
            if word.endswith(unit) and word[: -len(unit)].strip().isdigit() and int(word[: -len(unit)]) > 0:
                return cls(**{unit.rstrip("s") + "s": int(word[: -len(unit)])})
        try:
            found = 0.0 if word.isdigit() else duration(word)
        except ValueError:
            found = 0.0
        if found <= 0:
            raise ValueError(f"expected auto, 2epochs, 500steps, 30s or 10m; got {text!r}")
        return cls(seconds=found)
