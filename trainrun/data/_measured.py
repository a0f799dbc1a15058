"""Whether the data that is loaded is measured by a model: it may have one class, or one value of the target, and texts in another encoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# The kinds of data do not know the model.
_by_model: ContextVar[bool] = ContextVar("measured_by_model", default=False)


@contextmanager
def by_model() -> Iterator[None]:
    """Let the data that is loaded inside the `with` have one class or value only."""
    token = _by_model.set(True)
    try:
        yield
    finally:
        _by_model.reset(token)


def is_by_model() -> bool:
    """Return whether the data is measured by a model."""
    return _by_model.get()
