"""The result of a training step, which a user's own may get wrong."""

from __future__ import annotations

from typing import Any

from trainrun.errors import Problem, UserError
from trainrun.util.places import place


def taken(step: Any, model: Any, x: Any, y: Any, weight: Any, share: Any) -> tuple[Any, Any]:
    """Take a training step (`trainrun.step.default`) and return its loss and the model's output.

    Raises:
        UserError: it returned something else.
    """
    result = step(model, x, y, weight, share)
    if isinstance(result, tuple | list) and len(result) == 2:
        return result[0], result[1]
    where = place(step if hasattr(step, "__name__") else type(step).__call__)
    got = f"{len(result)} values" if isinstance(result, tuple | list) else type(result).__name__
    raise UserError(
        Problem(
            "trainer.step",
            f"{where}: it returned {got}; expected (loss, y_pred), the loss and the model's output.",
        )
    )
