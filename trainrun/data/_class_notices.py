"""What is almost surely wrong with the names of a target's classes."""

from __future__ import annotations

from collections.abc import Iterator

from trainrun.data import _columns
from trainrun.data._table_examples import Examples
from trainrun.util import look_alikes

# What may stand between several labels in one field.
LABEL_SEPARATORS = ";|,/"


def notices(examples: Examples) -> Iterator[str]:
    """Yield the notices of one target, as sentences."""
    yield from _same_number(examples)
    yield from _classes_alike(examples)
    yield from _lists_of_labels(examples)


def _same_number(examples: Examples) -> Iterator[str]:
    same = _columns.same_number(examples.target.classes)
    if same:
        yield (
            f"data.target: {' and '.join(map(repr, same))} are the same number and two classes, as they stand in the file. "
            "If they are one, write them alike."
        )


def _classes_alike(examples: Examples) -> Iterator[str]:
    if (alike := look_alikes.but_for_case(examples.target.classes)) is not None:
        yield f"data.target: {alike[0]!r} and {alike[1]!r} are two classes that differ in case only. If they are one, write them alike."


def _lists_of_labels(examples: Examples) -> Iterator[str]:
    """Yield a notice if classes are lists of other classes, as `drama;comedy` beside `drama`."""
    classes = {str(name) for name in examples.target.classes}
    for separator in LABEL_SEPARATORS:
        lists = {
            name: {part.strip() for part in name.split(separator)} for name in classes if separator in name
        }
        if (
            len(classes - lists.keys()) > 1
            and lists
            and set().union(*lists.values()) <= classes - lists.keys()
        ):
            yield (
                f"classes of the target are lists of others: {_columns.shortened(min(lists))!r}. If a row may have several labels: "
                f"data.label_separator='\"{separator}\"'."
            )
