"""Classes of a held-out part that the training part lacks: they cannot be predicted, but vectors may tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from trainrun.data._columns import shortened
from trainrun.data._faults import Fault
from trainrun.data.dataset import TargetSpec
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


def faults_and_notices(
    labels: Any,
    target: TargetSpec,
    parts: Sequence[np.ndarray],
    rows: Sequence[int],
    sets: Sequence[str],
) -> tuple[list[Fault], list[str]]:
    """Return faults of classes that training lacks of parts that stand on their own, and notices of drawn ones; masks are not compared.

    Args:
        labels, target, rows: as in `_arrays.own_parts`.
        parts: indices of the examples of each part, those of further validation sets at the end.
        sets: the names of these.
    """
    faults: list[Fault] = []
    notices: list[str] = []
    each = {name: (labels[name], one) for name, one in target.named.items()} or {"": (labels, target)}
    for name, (of_one, one) in each.items():
        if one.kind not in ("binary", "multiclass") or one.shape:
            continue
        for part, index, own in zip(("validation", "test", *sets), parts[1:], rows[1:], strict=True):
            if not (words := unseen(of_one, one.class_names, parts[0], index, f"{part} examples")):
                continue
            words = f"{name}: {words}" if name else words
            if own:
                faults.append(("y", f"{words}. Leave those examples out, or train on some."))
            else:
                notices.append(f"{words}. Take data.stratify=true, or leave those examples out.")
    return faults, notices
