"""What a folder has of a dataset that TensorFlow Datasets has prepared, read without importing it: versions, features, supervised keys."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from trainrun.data._array_faults import key_faults, keys_of
from trainrun.data._faults import Fault
from trainrun.errors import did_you_mean, listed
from trainrun.util import paths

# Where TensorFlow Datasets keeps datasets unless a folder is named.
DEFAULT = "~/tensorflow_datasets"
INFO = "dataset_info.json"


@dataclass(frozen=True, slots=True)
class Keys:
    """The features of a dataset.

    Attributes:
        known: their names, sorted.
        supervised: names of the inputs and of the target for supervised learning, None where the dataset names none.
    """

    known: Sequence[str]
    supervised: tuple[Any, Any] = (None, None)

    def chosen(
        self, x: str | Sequence[str] | None, y: str | None
    ) -> tuple[tuple[tuple[str, ...], Any], list[Fault]]:
        """Return the keys of the inputs and that of the target, and what is wrong with them."""
        keys = keys_of(self.supervised[0] if x is None else x)
        target = self.supervised[1] if y is None else y
        message = f"the dataset does not say which it is. Name one of {', '.join(self.known)}: "
        unknown = {
            a: f"{message}data.{a}=…" for a, named in (("x", keys), ("y", keys_of(target))) if not named
        }
        faults = key_faults(keys, target, None, self.known, "there is no feature")
        return (keys, target), [*unknown.items(), *(fault for fault in faults if fault[0] not in unknown)]


def folder(data_dir: str | None) -> Path:
    """Return the folder of prepared datasets."""
    return paths.expanded(data_dir or os.environ.get("TFDS_DATA_DIR") or DEFAULT)


def faults(dataset: str, data_dir: str | None, x: str | Sequence[str] | None, y: str | None) -> list[Fault]:
    """Return what is wrong with a dataset that has to be prepared already, and with the keys of its features.

    Args:
        dataset: its name, with config and version where they are named.
        data_dir, x, y: as in `data.tfds.tfds`.
    """
    where, (name, config, version) = folder(data_dir), _named(dataset)
    below = where / name
    versions = sorted(file.parent for depth in ("*", "*/*") for file in below.glob(f"{depth}/{INFO}"))
    if not versions:
        files = (file for depth in ("*/*", "*/*/*") for file in where.glob(f"{depth}/{INFO}"))
        prepared = {file.relative_to(where).parts[0] for file in files}
        near = did_you_mean(name, sorted(prepared | _offered()))
        return [("dataset", not_prepared(dataset, data_dir) + near)]
    matching = [
        path
        for path in versions
        if (version is None or fnmatch(path.name, version)) and (config is None or path.parent.name == config)
    ]
    if not matching:
        has = listed([f"{path.parent.relative_to(where).as_posix()}:{path.name}" for path in versions])
        return [("dataset", f"{not_prepared(dataset, data_dir)} It has {has}.")]
    keys = _keys(matching[0]) if len(matching) == 1 else None
    return [] if keys is None else keys.chosen(x, y)[1]


def not_prepared(dataset: str, data_dir: str | None) -> str:
    """Return the message about a dataset that is not in its folder."""
    where = data_dir or os.environ.get("TFDS_DATA_DIR") or DEFAULT
    return f"{dataset} is not prepared in {where}. Name another data.data_dir, or download it: data.download=true."


def _offered() -> set[str]:
    """Return names of datasets that TensorFlow Datasets offers: those with a folder of their own in its package."""
    package = importlib.util.find_spec("tensorflow_datasets")
    roots = [] if package is None else package.submodule_search_locations or []
    return {
        folder.name for root in roots for folder in Path(root, "datasets").glob("[a-z]*") if folder.is_dir()
    }


def _named(dataset: str) -> tuple[str, str | None, str | None]:
    parts = re.fullmatch(r"([^/:]+)(?:/([^:]+))?(?::(.+))?", dataset)
    assert parts is not None  # `tfds.NAME` has matched
    return parts[1], parts[2], parts[3]


def _keys(version: Path) -> Keys | None:
    """Return the features that a version's files name, or None if they are written otherwise."""
    try:
        features = json.loads(paths.content(version / "features.json"))["featuresDict"]["features"]
        supervised = json.loads(paths.content(version / INFO)).get("supervisedKeys", {}).get("tuple", {})
        items = [item.get("featureKey") for item in supervised.get("items", ())]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return Keys(sorted(features), (items[0], items[1]) if len(items) >= 2 else (None, None))
