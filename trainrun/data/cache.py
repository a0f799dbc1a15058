"""Datasets that trials of one process share: what one has loaded, the next need not load again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from trainrun.data.dataset import Dataset
from trainrun.data.lazy_array import View
from trainrun.run import joint_training
from trainrun.trainer import program_cache

MOST = 64 * 2**20  # bytes that are kept; the oldest go first
_kept: dict[str, tuple[int, Dataset]] = {}


def once(spec: Mapping[str, Any], load: Callable[[], Dataset]) -> Dataset:
    """Return the dataset of a spec: where trials share a process, one that was loaded before.

    Args:
        spec: the config's node `data`.
        load: loads it.
    """
    if not (program_cache.active() or joint_training.place() is not None):
        return load()
    key = json.dumps(spec, sort_keys=True, default=str)
    if key in _kept:
        return _kept[key][1]
    data = load()
    if isinstance(data, Dataset) and (size := _size(data)) is not None and size <= MOST:
        _kept[key] = size, data
        while sum(n for n, _ in _kept.values()) > MOST:
            _kept.pop(next(iter(_kept)))
    return data


def _size(data: Dataset) -> int | None:
    """Return the bytes of a dataset; None: it lies in files, which may change."""
    splits = [s for s in (data.train, data.validation, data.test) if s is not None]
    arrays = [a for split in splits for a in split.arrays()]
    return None if any(isinstance(a, View) for a in arrays) else sum(a.nbytes for a in arrays)
