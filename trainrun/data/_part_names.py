"""The names of the parts as values of a column: train, validation, test, and the like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainrun.data._header_names import exclusion, override_one
from trainrun.data._table import Column

# Values of a column that names the parts, in lower case -> training, validation, test.
PART_NAMES: Mapping[str, int] = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("validation", "valid", "val", "dev"), 1),
    **dict.fromkeys(("test", "testing", "holdout"), 2),
}


def notices(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield a notice on each feature whose values are names of parts, the training part among others.

    Args:
        columns: the features.
    """
    for name, column in columns.items():
        if column.numbers is None and not column.is_text and len(column.texts) <= len(PART_NAMES):
            parts = {PART_NAMES.get(text.lower()) for text in column.texts}
            if len(parts) > 1 and 0 in parts and None not in parts:
                yield (
                    f"column {name} has the values {', '.join(column.texts)}, and is a feature. If it says which part a row "
                    f"belongs to: {override_one('part', name)}. If not, or to divide anew, leave it out: {exclusion([name])}."
                )
