"""How a CSV file is written: the arguments of `data.csv.csv` that a later file of the same origin shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from trainrun.data._faults import Fault
from trainrun.util import typed_names

# Words for characters that a shell, Hydra or YAML takes for its own.
WORDS = {
    "tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "point": ".", "blank": " ", "apostrophe": "'"
}  # fmt: skip
DECIMALS = (".", ",")
THOUSANDS = (",", ".", " ", "'")


@dataclass(frozen=True)
class CsvFormat:
    """See `data.csv.csv`; separators are characters, no words.

    Args:
        delimiter, encoding, header, names, decimal, thousands: as there.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | int | None = None
    names: tuple[str, ...] | None = None
    decimal: str | None = None
    thousands: str | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> CsvFormat:
        """Return the format among a dataset's arguments, as typed."""
        typed = {f.name: arguments.get(f.name) for f in dataclasses.fields(cls)}
        for key in ("delimiter", "decimal", "thousands"):
            typed[key] = character(typed[key])
        if isinstance(typed["names"], list | tuple):
            typed["names"] = tuple(typed_names.spellings(name)[0] for name in typed["names"])
        return cls(**typed)

    def with_own_header(self) -> CsvFormat:
        """Return the format of a file whose first line has the columns' names."""
        return dataclasses.replace(self, header=None, names=None)

    def of_later_files(self, targets: Collection[str]) -> list[CsvFormat]:
        """Return how a later file may be written, in the order in which it is tried: as this training file, then with another delimiter.

        Args:
            targets: columns that the file may lack.
        """
        without_target = tuple(name for name in self.names or () if name not in targets)
        unlabelled = [dataclasses.replace(self, names=without_target)] if without_target else []
        forms = [self.with_own_header(), *unlabelled, self]
        return list(dict.fromkeys([*forms, *(dataclasses.replace(one, delimiter=None) for one in forms)]))

    def has_names(self) -> bool:
        """Return whether a line of the file has the columns' names."""
        return self.header is not False and (self.header is not None or self.names is None)

    def skipped_lines(self) -> int:
        """Return the number of lines before the header, or before the first row."""
        return self.header - 1 if self.header and self.header is not True else 0

    def record(self) -> dict[str, Any]:
        """Return what is set, as plain data."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    def faults(self) -> list[Fault]:
        """Return what is wrong with the format, whatever the file."""
        faults: list[Fault] = []
        if self.delimiter is not None and len(self.delimiter) != 1:
            message = f"expected one character, got {self.delimiter!r}. For a tab: data.delimiter=tab."
            faults.append(("delimiter", message))
        if self.encoding is not None and not _is_encoding(self.encoding):
            message = f"expected the name of a text encoding (utf-8, cp1252, utf-16), got {self.encoding!r}."
            faults.append(("encoding", message))
        faults += separator_faults(self.decimal, self.thousands)
        if self.delimiter is not None and self.delimiter in (self.decimal, self.thousands):
            key = "decimal" if self.delimiter == self.decimal else "thousands"
            faults.append((key, f"{self.delimiter!r} separates the fields (data.delimiter)."))
        if self.header is not None and not isinstance(self.header, bool) and self.header < 1:
            message = f"expected the line with the columns' names, from 1 on, or false: there are none; got {self.header}."
            faults.append(("header", message))
        if self.names is not None and (not isinstance(self.names, tuple) or not self.names):
            faults.append(("names", f"expected null or a list of columns' names, got {self.names!r}."))
        return faults


def character(value: Any) -> Any:
    """Return the character that a word names; other values as they are."""
    return WORDS.get(value, value) if isinstance(value, str) else value


def separator_faults(decimal: Any, thousands: Any) -> list[Fault]:
    """Return what is wrong with the separators of numbers; None: not set."""
    faults = [
        (key, f"expected one of {', '.join(w for w, c in WORDS.items() if c in choices)}, got {value!r}.")
        for key, value, choices in (("decimal", decimal, DECIMALS), ("thousands", thousands, THOUSANDS))
        if value is not None and value not in choices
    ]
    if not faults and thousands == (decimal or "."):
        way_out = "" if decimal else " Set data.decimal=comma, too."
        faults.append(("thousands", f"{thousands!r} is the decimal separator.{way_out}"))
    return faults


def _is_encoding(name: str) -> bool:
    try:
        "a".encode(name)
    except (LookupError, ValueError, TypeError):
        return False
    return True
