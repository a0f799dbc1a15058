"""Targets of numbers that look like classes: in one-hot form, which are ids to every loss here, or 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data.dataset import TargetSpec

if TYPE_CHECKING:
    import numpy as np


def notices(
    labels: np.ndarray | Mapping[str, np.ndarray], target: TargetSpec, keys: Sequence[str]
) -> Iterator[str]:
    """Yield a sentence for each target of which each row has one 1 and otherwise 0, or whose numbers are all 0 or 1.

    Args:
        labels: as they are learnt, `[n, outputs]`; others have none; of several targets by name.
        target: what they mean.
        keys: of their arrays.
    """
    each = {name: (labels[name], one) for name, one in target.named.items()} or dict.fromkeys(
        keys, (labels, target)
    )
    for key, (of_one, one) in each.items():
        if one.kind not in ("real", "multilabel") or one.shape:
            continue
        if one.outputs == 1:
            if one.kind == "real" and ((of_one == 0) | (of_one == 1)).all():
                yield (
                    f"{key} has the values 0 and 1 only, and is learnt as a number. If they are two classes: data.task=classification, "
                    f"or integers, {key}.astype('int64')."
                )
        elif ((of_one == 0) | (of_one == 1)).all() and (of_one.sum(axis=1) == 1).all():
            what = "numbers" if one.kind == "real" else "labels of which any may hold"
            yield (
                f"each row of {key} has one 1 and otherwise 0, and is learnt as {one.outputs} {what}. If it is a class in one-hot form, "
                f"take its id: {key}.argmax(axis=1)."
            )
