"""How a table is divided into training, validation and test rows: the arguments that all kinds of tables share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from trainrun.data._faults import Fault
from trainrun.errors import did_you_mean

if TYPE_CHECKING:
    from trainrun.data._table_settings import TableSettings

SET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
# What messages call the other parts, of which a further set is not to be called one.
OTHER_PARTS = ("train", "training", "validation", "test")
# So many times larger or smaller than its share, a part is told.
UNEVEN = 2
METHODS = ("auto", "random", "group", "time", "column")
# Method -> the argument that names its column.
COLUMN_OF = {"group": "group", "time": "time", "column": "part"}


@dataclass(frozen=True)
class SplitSettings:
    """How the examples are divided.

    Args:
        validation, test: fractions of all examples; 0: no such set.
        stratify: keep the proportions of the classes in each set.
        seed: of what is drawn.
        split: one of `METHODS`; ``auto``: by the column that `TableSettings` names, else at random.
        folds: the validation part is one of so many equal ones; None: `validation` is its share.
        fold: which of them, from 0.
        validation_sets: further validation sets by name: their files, or whatever the kind of data has them in.
    """

    validation: float = 0.2
    test: float = 0.2
    stratify: bool = True
    seed: int = 0
    split: str = "auto"
    folds: int | None = None
    fold: int | None = None
    validation_sets: Mapping[str, Any] | None = None

    def faults(self, settings: TableSettings) -> list[Fault]:
        """Return what is wrong with the settings, whatever the table."""
        if self.split not in METHODS:
            near = did_you_mean(str(self.split), METHODS)
            return [("split", f"expected one of {', '.join(METHODS)}, got {self.split!r}.{near}")]
        faults = self.set_faults()
        key = COLUMN_OF.get(self.split)
        if self.split in ("group", "column") and getattr(settings, key) is None:
            faults.append((key, f"data.split={self.split} needs a column: data.{key}=<column>."))
        named = [key for key in COLUMN_OF.values() if getattr(settings, key) is not None]
        used = named[:1] if self.split == "auto" else [key]
        if unused := [key for key in named if key not in used]:
            message = f"data.split goes by {used[0] or 'no column'}, so it would not be read. Leave it out."
            faults.append((unused[0], message))
        return faults + self.fold_faults()

    def set_faults(self) -> list[Fault]:
        """Return what is wrong with the names of `validation_sets`."""
        text = "a set's name becomes part of its metrics, val.hard_loss: expected letters and digits, got"
        names = [*map(str, self.validation_sets or {})]
        faults = [f"{text} {name!r}." for name in names if SET_NAME.fullmatch(name) is None]
        faults += [
            f"{name!r} is the name of another part. Take {name}2." for name in names if name in OTHER_PARTS
        ]
        return [("validation_sets", text) for text in faults]

    def fold_faults(self) -> list[Fault]:
        """Return what is wrong with `folds` and `fold`."""
        if self.folds is None:
            return (
                []
                if self.fold is None
                else [("fold", "it is one of data.folds, which is null. Set data.folds=5.")]
            )
        if self.folds < 2:
            return [("folds", f"expected at least 2, got {self.folds}.")]
        if self.fold is None:
            message = f"a run trains on one of them: data.fold=0. All as one sweep: trainrun -m data.folds={self.folds} …"
            return [("folds", message)]
        if not 0 <= self.fold < self.folds:
            return [("fold", f"expected 0 to {self.folds - 1}, got {self.fold}.")]
        return []

    def method(self, settings: TableSettings) -> str:
        """Return the method; ``auto`` is resolved."""
        if self.split != "auto":
            return self.split
        return next((m for m, key in COLUMN_OF.items() if getattr(settings, key) is not None), "random")

    def words(self, settings: TableSettings, files: Sequence[str]) -> str:
        """Return how the parts are made.

        Args:
            settings: the columns.
            files: the parts that have files of their own.
        """
        own = f"{' and '.join(files)} from files of their own" if files else ""
        drawn = {"validation": self.validation > 0 or self.folds is not None, "test": self.test > 0}
        method = self.method(settings)
        if method != "column" and not any(held_out and part not in files for part, held_out in drawn.items()):
            return own or "all for training"
        words = {
            "random": "drawn at random",
            "group": f"by groups of {settings.group}",
            "time": f"by {settings.time or 'the order of the rows'}",
            "column": f"by {settings.part}",
        }[method]
        fold = f", fold {self.fold} of {self.folds}" if self.folds else ""
        return f"{words}{fold}{own and f', {own}'}"

    def uneven(self, settings: TableSettings, files: Sequence[str], rows: Sequence[int]) -> Iterator[str]:
        """Yield a notice on parts of groups that have far more or fewer rows than their share, as some groups are large.

        Args:
            settings: the columns.
            files: the parts that have files of their own.
            rows: of the training, validation and test part.
        """
        counts = dict(zip(("training", "validation", "test"), rows, strict=True))
        drawn = {part: count for part, count in counts.items() if part not in files}
        test = self.test if "test" in drawn else 0.0
        shares = {"validation": (1 - test) / self.folds if self.folds else self.validation, "test": test}
        total = sum(drawn.values())
        far = [
            f"{part} {drawn[part]:,} (for {share:.0%})"
            for part, share in shares.items()
            if part in drawn and share and not total * share / UNEVEN <= drawn[part] <= total * share * UNEVEN
        ]
        if far and self.method(settings) == "group":
            yield (
                f"parts that are far from their share of {total:,} rows: {', '.join(far)}. The groups of {settings.group} are of very "
                "different size, and are divided by their number. Take another data.seed, or name the parts by a column: data.part=<column>."
            )


def settings_of(arguments: Mapping[str, Any]) -> tuple[TableSettings, SplitSettings]:
    """Return the settings of table and split among a dataset's arguments; others are left out."""
    from trainrun.data._table_settings import TableSettings  # 7 ms, which datasets of arrays do not need

    def of(settings: type) -> dict[str, Any]:
        return {f.name: arguments[f.name] for f in fields(settings) if f.name in arguments}

    return TableSettings(**of(TableSettings)), SplitSettings(**of(SplitSettings))
