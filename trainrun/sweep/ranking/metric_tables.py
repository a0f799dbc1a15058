"""Numbers of trials by name, as a dict has them, but kept small or left where they are: there may be thousands of trials."""

from __future__ import annotations

import contextlib
import statistics
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from trainrun.artifacts import summary


class Numbers(Mapping[str, float]):
    """Numbers in a third of a dict's memory: those with the same names share them.

    Args:
        found: they do not change.
    """

    __slots__ = ("_at", "_values")
    _known: ClassVar[dict[tuple[str, ...], dict[str, int]]] = {}

    def __init__(self, found: Mapping[str, float]):
        names = tuple(found)
        self._at = self._known.setdefault(names, {name: i for i, name in enumerate(names)})
        self._values = array("d", found.values())

    def __getitem__(self, name: str) -> float:
        return self._values[self._at[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def __repr__(self) -> str:
        return repr(dict(self))


class Figures(Mapping[str, float]):
    """The numbers of a run's summary that are no metrics, those inside by their dotted path: ``seconds.train``.

    They are read when somebody asks: of thousands of trials, nobody does for most.

    Args:
        run_dir: the run's directory; if it has no summary, there are none.
    """

    __slots__ = ("_found", "_run_dir")

    def __init__(self, run_dir: Path):
        self._run_dir, self._found = run_dir, None

    def _read(self) -> Numbers:
        if self._found is None:
            found: dict[str, float] = {}
            with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
                found = _figures(summary.read(self._run_dir))
            self._found = Numbers(found)
        return self._found

    def __getitem__(self, name: str) -> float:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _figures(summary: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key in ("epochs", "steps", "parameters", "examples_per_second", "seconds"):
        inside = summary.get(key)
        pairs = {f"{key}.{k}": v for k, v in inside.items()} if isinstance(inside, dict) else {key: inside}
        found |= {k: v for k, v in pairs.items() if isinstance(v, int | float)}
    return found


class Means(Mapping[str, float]):
    """The means of those numbers that all of some tables have, computed when somebody asks.

    Args:
        tables: returns the tables.
    """

    def __init__(self, tables: Callable[[], Iterable[Mapping[str, float]]]):
        self._tables = tables

    def __getitem__(self, name: str) -> float:
        values = [float(t[name]) for t in self._tables()]
        if not values:
            raise KeyError(name)
        return statistics.fmean(values)

    def __iter__(self) -> Iterator[str]:
        names: list[str] | None = None
        for table in self._tables():
            names = [n for n in (table if names is None else names) if n in table]
        return iter(names or ())

    def __len__(self) -> int:
        return sum(1 for _ in self)
