"""The datasets that Keras loads by name: mnist, fashion_mnist, cifar10, cifar100, imdb, reuters, california_housing."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from trainrun.data import _arrays, _named_arrays, _tensorflow
from trainrun.data._faults import raise_faults
from trainrun.data._split import share_problems, sizes
from trainrun.data._split_settings import SplitSettings
from trainrun.data.dataset import Dataset, Description, InputKind, InputSpec, TargetSpec
from trainrun.data.lazy_array import View
from trainrun.errors import Problem, UserError, did_you_mean, first_line
from trainrun.util import paths
from trainrun.util.arguments import Count, Decay, Range

if TYPE_CHECKING:
    import numpy as np

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")  # fmt: skip
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
REUTERS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass crude nat-gas cpi "
    "money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop "
    "zinc orange pet-chem dlr gas silver wpi hog lead"
)
HOUSING = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")


@dataclass(frozen=True)
class Known:
    """What is known of a dataset before its file is read.

    Args:
        train: number of examples of Keras' training part.
        kind: of its input.
        file: in Keras' folder of datasets.
        target: of it.
    """

    train: int
    kind: InputKind
    file: str
    target: TargetSpec


def _classes(names: Iterable[object]) -> TargetSpec:
    classes = tuple(map(str, names))
    return TargetSpec("multiclass", classes, len(classes))


KNOWN = {
    "mnist": Known(60_000, "image", "mnist.npz", _classes(range(10))),
    "fashion_mnist": Known(60_000, "image", "fashion-mnist/", _classes(FASHION)),
    "cifar10": Known(50_000, "image", "cifar-10-batches-py-target_archive", _classes(CIFAR10)),
    "cifar100": Known(50_000, "image", "cifar-100-python-target_archive", _classes(range(100))),
    "imdb": Known(25_000, "tokens", "imdb.npz", TargetSpec("binary", ("negative", "positive"))),
    "reuters": Known(8_982, "tokens", "reuters.npz", _classes(REUTERS.split())),
    "california_housing": Known(16_512, "numeric", "california_housing.npz", TargetSpec("real")),
}
DatasetName = Literal[
    "mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters", "california_housing"
]


def keras(
    *,
    dataset: DatasetName | None = None,
    max_tokens: Annotated[int, Range(4)] = 20000,
    sequence_length: Count = 200,
    validation: Decay = 0.2,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return what `keras.datasets.<dataset>.load_data()` returns; the test part is Keras' own.

    Args:
        dataset: which one. Its file is downloaded to ``~/.keras/datasets`` (``$KERAS_HOME/datasets``) unless it is there.
        max_tokens: imdb and reuters: only the most frequent words up to this id are kept; 0 is padding, 1 the start, 2 any other word.
        sequence_length: imdb and reuters: words of each text, the others cut off or padded.
        validation: fraction of Keras' training part, drawn at random; 0: no such set.
        standardize, standardize_target: california_housing, as in `data.csv.csv`.
        seed: of the validation part.

    Raises:
        UserError: the file is not there and cannot be downloaded, or it is damaged.
    """
    import numpy as np

    raise_faults(_faults(dataset, validation))
    known = KNOWN[dataset]
    tokens = {"num_words": max_tokens} if known.kind == "tokens" else {}
    (x, y), (x_test, y_test) = _loaded(dataset, tokens)
    n = len(x)
    spec, values, record = _input(known, x, x_test, max_tokens, sequence_length)
    labels = np.concatenate([y, y_test]).astype(known.target.dtype)
    labels = labels.ravel() if known.target.classes else labels.reshape(-1, 1)
    rows = n, 0, len(labels) - n
    return _arrays.of_parts(
        dataset,
        {spec: values},
        known.target,
        labels,
        _arrays.own_parts(labels, known.target, SplitSettings(validation, 0.0, True, seed), rows),
        features=HOUSING if known.kind == "numeric" else (),
        standardize=standardize,
        standardize_target=standardize_target,
        preprocessing=record,
    )


def describe(*, dataset: str | None = None, validation: Decay = 0.2, **_: Any) -> Description:
    """Return what is known without loading the data."""
    if faults := _faults(dataset, validation):
        return Description(problems=tuple(faults))
    known = KNOWN[dataset]
    return Description.of(known.target, sizes(known.train, validation, 0)[0], (known.kind,))


def _faults(dataset: str | None, validation: float) -> list[tuple[str, str]]:
    faults = list(share_problems(None, validation, 0))
    if dataset not in KNOWN:
        near = did_you_mean(str(dataset), KNOWN)
        faults.append(("dataset", f"expected one of {', '.join(KNOWN)}, got {dataset}.{near}"))
    return faults


def _loaded(dataset: str, options: dict[str, Any]) -> Any:
    """Return Keras' training and test arrays.

    Raises:
        UserError: with the folder that Keras looks into.
    """
    folder = paths.expanded(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets"
    file = folder / KNOWN[dataset].file
    _tensorflow.imported()
    try:
        return importlib.import_module(f"keras.datasets.{dataset}").load_data(**options)
    # Keras raises Exception itself where a download fails; a damaged file raises what zipfile, gzip, tarfile or pickle do.
    except Exception as error:
        message = f"keras.datasets.{dataset} cannot be loaded: {first_line(error)}. {_way_out(error, file)}"
        raise UserError(Problem("data.dataset", message)) from error


def _way_out(error: Exception, file: Path) -> str:
    if "fetch failure" in str(error) or not file.exists():
        return f"Without a network, copy {file} from a machine on which Keras has loaded it."
    return f"Delete {file}, so that it is downloaded anew."


def _input(known: Known, x: Any, x_test: Any, max_tokens: int, length: int) -> _named_arrays.Input:
    """Return the input, its values with the test part at the end, and the record of the preprocessing."""
    import numpy as np

    if known.kind == "tokens":
        ids = _padded([*x, *x_test], length)
        return InputSpec("tokens", "tokens", (length,), (max_tokens,)), View.of(ids), {}
    return _named_arrays.input_of(None, np.concatenate([x, x_test]), known.kind)


def _padded(texts: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Return the ids of each text, int32 `[n, length]`, 0 after its end."""
    import numpy as np

    ids = np.zeros((len(texts), length), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text[:length]
    return ids
