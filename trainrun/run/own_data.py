"""Data of a plug-in, or of `data=python`: seeded before it is made, and its arrays checked; ours are right by construction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trainrun.config import named_components
from trainrun.data._unseen_classes import unseen_allowed
from trainrun.data.cache import DatasetCache
from trainrun.data.dataset import Dataset, Split
from trainrun.data.lazy_array import View
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.registry import lookup
from trainrun.registry.construct import construct


def load(
    config: Mapping[str, Any], cache: DatasetCache | None, stored: Preprocessor | None = None
) -> Dataset:
    """Load the data of a config; that of a plug-in is made from a seed of its own, and checked.

    Args:
        config: resolved and checked.
        cache: datasets that the process has loaded already; data that a plug-in draws depends on the run's seed.
        stored: what was fitted on other data, for those kinds of data that can take it over.

    Raises:
        UserError: the data is faulty.
    """
    spec = config["data"]
    vectors = named_components.gives_vectors(config)

    def make() -> Any:
        with unseen_allowed(vectors):
            return construct("data", spec, complete=True, preprocessor=stored)

    if not (spec["name"] == "python" or lookup.is_plugin("data", spec["name"])):
        key = {**spec, "unseen": True} if vectors else spec
        key = key if stored is None else {**key, "preprocessor": stored.to_json()}
        return make() if cache is None else cache.load(key, make)
    import keras  # here, as `check` loads other data without it

    # Not the run's own seed, so that what a model draws later does not depend on the data.
    keras.utils.set_random_seed(int(np.random.SeedSequence([config["seed"], *b"data"]).generate_state(1)[0]))
    data = make()
    if not isinstance(data, Dataset):
        text = (
            f"expected a trainrun.data.dataset.Dataset, but {spec['name']} returned {type(data).__name__}. A table or arrays are split "
            f"by data=python data.function={spec['name']}."
        )
        raise UserError(Problem("data", text))
    if faults := problems(data):
        raise UserError(faults)
    return data


def problems(data: Dataset) -> list[Problem]:
    """Return the problems of a dataset: numbers of rows, types, shapes and values that its target does not allow."""
    faults = [
        f"data={data.name}, {part}: {text}"
        for part, split in data.parts.items()
        for text in _all_faults(data, part, split)
    ]
    return [Problem("data", text) for text in faults]


def _all_faults(data: Dataset, part: str, split: Split) -> Iterator[str]:
    """Yield the faults of a part; those of several outputs by name."""
    names = list(data.target.named)
    if not names:
        yield from _faults(data, split)
    elif not isinstance(split.y, dict) or sorted(split.y) != sorted(names):
        got = ", ".join(split.y) if isinstance(split.y, dict) else type(split.y).__name__
        yield f"y: expected a dict of arrays by output, {', '.join(names)}; got {got}."
    else:
        for name, one in data.each().items():
            yield from (f"output {name}: {text}" for text in _faults(one, getattr(one, part)))


def _faults(data: Dataset, split: Split) -> Iterator[str]:
    inputs = split.x if isinstance(split.x, dict) else {data.inputs[0].name if data.inputs else "x": split.x}
    named = {**inputs, "y": split.y} | ({} if split.weight is None else {"weight": split.weight})
    if odd := [k for k, a in named.items() if not isinstance(a, np.ndarray | View)]:
        yield f"{odd[0]} is {type(named[odd[0]]).__name__}; expected a numpy array."
        return
    rows = {name: len(array) for name, array in named.items()}
    if len(set(rows.values())) > 1:
        yield f"expected as many rows in each array; got {', '.join(f'{n} in {k}' for k, n in rows.items())}."
        return
    for name, array in named.items():
        if array.dtype.kind not in "biuf":
            yield f"{name} holds {array.dtype}; expected numbers. Texts become ids by numpy.unique(…, return_inverse=True)."
        elif isinstance(array, np.ndarray) and array.dtype.kind == "f" and (wrong := _not_finite(array)):
            yield f"{name} has {wrong} values that are NaN or infinite, the first in row {_first(array)}."
    if (kind := data.target.kind) == "none" or split.y.dtype.kind not in "biuf":
        return
    y, repeats = split.y, data.target.shape
    if kind in ("binary", "multiclass"):
        if y.ndim != 1 + len(repeats):
            instead = "y[:, 0]" if y.ndim == 2 and y.shape[1] == 1 else "y.argmax(axis=-1)"
            yield f"y has shape {list(y.shape)}; expected class ids, {['rows', *repeats]}. Use {instead}."
        elif y.size and not (y.min() >= 0 and y.max() < max(len(data.target.classes), 2)) and y.min() != -1:
            yield f"y has ids from {y.min():g} to {y.max():g}; the classes are 0 to {len(data.target.classes) - 1}."
    elif kind in ("real", "multilabel"):
        expected = len(data.target.classes) if kind == "multilabel" else data.target.outputs
        if y.ndim == 2 + len(repeats) and y.shape[-1] != expected:
            yield f"y has shape {list(y.shape)}; expected {['rows', *repeats, expected]}, as its target says."


def _not_finite(array: np.ndarray) -> int:
    return array.size - int(np.isfinite(array).sum())


def _first(array: np.ndarray) -> Any:
    return int(np.argwhere(~np.isfinite(array))[0][0])
