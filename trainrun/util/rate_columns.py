"""The columns of learning rates in the logs: `learning_rate`, or `learning_rate_sgd` for each of several optimizers, as in Keras."""

from __future__ import annotations

RATE = "learning_rate"


def of(optimizer: str) -> str:
    """Return the column of one of several optimizers, by its name."""
    return f"{RATE}_{optimizer}"


def is_rate(column: str) -> bool:
    """Return whether a column holds a learning rate, which is no metric."""
    return column == RATE or column.startswith(f"{RATE}_")
