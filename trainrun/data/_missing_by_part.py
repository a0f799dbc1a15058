"""Notices on features without any value in a part, which has values in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trainrun.data._header_names import exclusion
from trainrun.data._table import Column
from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

# Columns that one notice names.
NAMED = 10
# Probability below which a part of rows drawn at random is not without values by chance.
CHANCE = 1e-3


def notices(
    columns: Mapping[str, Column], keep: np.ndarray, parts: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Yield a notice for each part in which features have no value at all.

    Args:
        columns: the features.
        keep: rows of the table that are examples.
        parts: name -> indices of its examples, those of the training part first.
    """
    missing: dict[str, list[str]] = {name: [] for name, index in parts.items() if len(index)}
    for name, column in columns.items():
        if column.missing:
            known = column.known()[keep]
            share = 1 - known.mean()  # 1 where no example has a value, which is no difference between parts
            for part, names in missing.items():
                if share ** len(parts[part]) < CHANCE and not known[parts[part]].any():
                    names.append(name)
    for part, names in missing.items():
        if names:
            yield (
                f"columns without any value in the {part} rows, but with some in others: {listed(names, NAMED)}. "
                f"Fill them, or leave them out: {exclusion(names[:NAMED])}."
            )
