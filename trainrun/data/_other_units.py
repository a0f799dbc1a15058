"""Notices on columns of numbers that a validation or test file has in another unit than the training file, as grams for kilograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table_examples import Examples
    from trainrun.data._table_settings import TableSettings

# Columns that one notice names.
NAMED = 10
# Values of a column that are looked at, and fewer of a part that say nothing.
LOOKED_AT, FEWEST = 20_000, 10
# A median beyond all training values, and so many of their standard deviations from theirs, is far.
DEVIATIONS = 10
# Medians and deviations so many times larger, or smaller, are those of another unit, also if training values reach that far.
TIMES = 100


def notices(
    examples: Examples,
    settings: TableSettings,
    train: np.ndarray,
    held_out: Mapping[str, np.ndarray],
) -> Iterator[str]:
    """Yield a notice for each file whose numbers are far from those of the training rows.

    Args:
        examples: of the table.
        settings: of its columns.
        train: indices of the training examples.
        held_out: those of each other part and further validation set by name.
    """
    real = [of_one.target for of_one, one in examples.each(settings) if one.target.kind == "real"]
    columns = {name: examples.table.columns[name] for name in (*settings.inputs, *real)}
    for part, rows in held_out.items():
        if not len(rows) or not examples.file_parts[rows[0]]:
            continue  # drawn from the training file
        far = []
        for name, column in columns.items():
            if column.numbers is not None and not column.is_date:
                each = (_some(column.numbers, examples.keep[index]) for index in (train, rows))
                if (medians := _of_other_units(*each)) is not None:
                    far.append(f"{name} ({medians[1]:.6g}, in training {medians[0]:.6g})")
        if far:
            yield (
                f"columns whose values in the {part} file are far from those of the training rows, as in another unit (medians): "
                f"{listed(far, NAMED)}. Write both in the same units."
            )


def _some(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return known values of some rows."""
    import numpy as np

    values = numbers[rows[:: max(1, len(rows) // LOOKED_AT)]]
    return values[~np.isnan(values)]


def _of_other_units(train: np.ndarray, other: np.ndarray) -> tuple[float, float] | None:
    """Return both medians if values are far from those of the training rows; None: they are not."""
    import numpy as np

    if min(len(train), len(other)) < FEWEST or not (spread := float(train.std())):
        return None
    medians = float(np.median(train)), float(np.median(other))
    beyond = not train.min() <= medians[1] <= train.max()
    if beyond and abs(medians[1] - medians[0]) > DEVIATIONS * spread:
        return medians
    if not all(medians) or not (other_spread := float(other.std())):
        return None
    ratios = abs(medians[1] / medians[0]), other_spread / spread
    return medians if min(ratios) >= TIMES or max(ratios) <= 1 / TIMES else None
