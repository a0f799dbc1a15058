"""Classes of a held-out part that the training part lacks: they cannot be predicted, but vectors may tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from trainrun.data._columns import shortened
from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

# Whether held-out parts may have classes that training lacks; the kinds of data do not know the model.
_allowed: ContextVar[bool] = ContextVar("unseen_classes_allowed", default=False)


@contextmanager
def unseen_allowed(allowed: bool = True) -> Iterator[None]:
    """Let held-out parts have classes that training lacks inside the `with`: a model of vectors is to tell new classes apart, too."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def unseen(labels: np.ndarray, classes: Sequence[str], train: np.ndarray, part: np.ndarray, what: str) -> str:
    """Return in words which classes a held-out part has and the training part lacks; "": none.

    Args:
        labels: class ids of all examples.
        classes: their names; empty: there are no classes.
        train, part: indices of examples.
        what: is in the part: ``test rows``.
    """
    import numpy as np

    if not classes or not len(part) or _allowed.get():
        return ""
    lacking = labels[part][~np.isin(labels[part], labels[train])]
    if not len(lacking):
        return ""
    named = [
        f"{shortened(classes[i])!r} ({n})"
        for i, n in zip(*np.unique(lacking, return_counts=True), strict=True)
    ]
    one, their = what.split(maxsplit=1)[1].removesuffix("s"), f"{len(lacking)} of {len(part)} {what}"
    return f"{their} are of classes that no training {one} has, so that they cannot be predicted: {listed(named, 5)}"
