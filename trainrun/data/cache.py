"""Cache of loaded datasets, shared by the trials of one process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from trainrun.data.dataset import Dataset
from trainrun.data.lazy_array import View

MAX_BYTES = 64 * 2**20  # total size; the oldest datasets are dropped first


class DatasetCache:
    """Loaded datasets by component name and arguments."""

    def __init__(self) -> None:
        self._datasets: dict[str, tuple[int, Dataset]] = {}

    def load(self, spec: Mapping[str, Any], load: Callable[[], Dataset]) -> Dataset:
        """Return the dataset of a spec, from the cache if it was loaded before.

        Args:
            spec: a component's name and arguments.
            load: loads it.
        """
        key = json.dumps(spec, sort_keys=True, default=str)
        if key in self._datasets:
            return self._datasets[key][1]
        data = load()
        if isinstance(data, Dataset) and (size := _size(data)) is not None and size <= MAX_BYTES:
            self._datasets[key] = size, data
            while sum(n for n, _ in self._datasets.values()) > MAX_BYTES:
                self._datasets.pop(next(iter(self._datasets)))
        return data


def _size(data: Dataset) -> int | None:
    """Return the size of a dataset in bytes; None if it reads from files, which may change."""
    splits = [*data.parts.values(), *data.validation_sets.values()]
    arrays = [a for split in splits for a in split.arrays()]
    return None if any(isinstance(a, View) for a in arrays) else sum(a.nbytes for a in arrays)
