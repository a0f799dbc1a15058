"""A dataset of Hugging Face's `datasets`: saved in a folder, Parquet files, or a name on the Hub, as a table."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data import _hub, _table_dataset
from trainrun.data._faults import Fault
from trainrun.data._in_memory import MemorySource
from trainrun.data._part_names import PART_NAMES
from trainrun.data._table_files import PATHS, SETS
from trainrun.data.dataset import Dataset, Description
from trainrun.data.preprocessor import Preprocessor
from trainrun.data.profile import TableValues
from trainrun.errors import did_you_mean, first_line
from trainrun.util import paths
from trainrun.util.arguments import Count, Decay, Index, Name

if TYPE_CHECKING:
    import pyarrow as pa

EXTRA = "data=huggingface needs the package datasets. Install it: pip install 'trainrun[huggingface]'."
# A name on the Hub: a dataset, or a user's dataset.
ON_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
# The preflight check reads tables of at most so many bytes.
SMALL = 2_000_000
# Columns of these features are no values of a table -> the way out.
NO_TABLE = {
    "Image": "Save the images in folders, and take data=image_folder.",
    "Audio": "Make numbers of the sound first.",
}
OWN = ("", "validation", "test")


def huggingface(
    *,
    path: str | None = None,
    subset: str | None = None,
    splits: Mapping[str, str] | None = None,
    target: Name | Sequence[Name] | None = None,
    positive: Name | Mapping[Name, Name] | None = "rarer",
    features: Sequence[Name] | None = None,
    exclude: Sequence[Name] | None = None,
    categorical: Sequence[Name] | None = None,
    text: Sequence[Any] | Mapping[str, Any] | None = None,
    dates: Sequence[Any] | Mapping[str, str] | None = None,
    ordinal: Mapping[str, Sequence[Any]] | None = None,
    label_separator: str | None = None,
    missing: str = "auto",
    formats: str = "auto",
    task: Any = "auto",
    na_values: Sequence[Name] | None = None,
    weight: Name | None = None,
    split: str = "auto",
    group: Name | None = None,
    time: Name | None = None,
    part: Name | None = None,
    validation_sets: Mapping[str, str] | None = None,
    folds: Count | None = None,
    fold: Index | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    target_transform: Any = "auto",
    seed: int = 42,
    preprocessor: Preprocessor | None = None,
) -> Dataset:
    """Return the rows, split; classes of a `ClassLabel` have their names. All else is as in `data.parquet.parquet`.

    Args:
        path: a folder that `save_to_disk` has written; a folder, a pattern or a file of Parquet; or a name on the Hub
            (``user/dataset``), which is downloaded.
        subset: of a dataset on the Hub.
        splits: the dataset's own splits by part, ``{train: train, validation: dev}``; None: those whose names say so. A part without
            one is split off.
        validation_sets: splits that are further validation sets by name, ``{mismatched: validation_mismatched}``.
        target, positive, features, exclude, categorical, text, dates, ordinal, label_separator, missing, formats, task, weight: as in `data.csv.csv`.
        na_values: as in `data.parquet.parquet`.
        split, group, time, part, folds, fold: as in `data.csv.csv`.
        validation, test, stratify, standardize, standardize_target, target_transform, seed, preprocessor: as in `data.csv.csv`.

    Raises:
        UserError: with all faults of the dataset and the arguments.
    """
    arguments = locals()
    return _table_dataset.dataset(lambda: _opened(arguments), arguments)


def describe(**arguments: Any) -> Description:
    """Return what the columns tell and, of a small dataset, its rows; nothing of one on the Hub. Arguments as in `huggingface`."""
    faults = _faults(arguments)
    if faults or not _is_local(arguments["path"]):
        return Description(problems=tuple(faults))
    return _table_dataset.description(lambda: _opened(arguments), arguments)


def values(**arguments: Any) -> TableValues:
    """Return the columns as they are understood; arguments as in `huggingface`."""
    return _table_dataset.values(lambda: _opened(arguments), arguments)


def _faults(arguments: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the arguments, without importing `datasets`."""
    path, splits = arguments.get("path"), arguments.get("splits")
    faults: list[Fault] = []
    if path is None:
        message = "expected a folder, Parquet files or a name on the Hub, got null. For example data.path=my_dataset/."
        faults.append(("path", message))
    elif not _is_local(path) and not ON_HUB.fullmatch(str(path)):
        faults.append(
            ("path", f"there is no folder {path}, and it is no name on the Hub, such as user/dataset.")
        )
    elif not _is_local(path) and not _hub.is_cached(str(path)) and (why := _hub.unreachable()):
        message = f"there is no folder {path}, and no dataset of that name can be downloaded: {why}. Name a folder that save_to_disk has written."
        faults.append(("path", message))
    if splits is not None:
        parts = ("train", "validation", "test")
        wrong = [key for key in splits if key not in parts] if isinstance(splits, Mapping) else [splits]
        if wrong:
            near = did_you_mean(str(wrong[0]), parts)
            message = f"expected {{train: …, validation: …, test: …}}, got {wrong[0]!r}.{near}"
            faults.append(("splits", message))
    if importlib.util.find_spec("datasets") is None:
        faults.append(("name", EXTRA))
    return faults


def _is_local(path: str) -> bool:
    where = paths.expanded(path)
    return where.exists() or str(path).endswith(".parquet")


def _opened(arguments: Mapping[str, Any]) -> tuple[MemorySource | None, list[Fault]]:
    """Return the table of all parts, or its faults."""
    if faults := _faults(arguments):
        return None, faults
    path = str(arguments["path"])
    try:
        loaded = _loaded(path, arguments.get("subset"))
    # Of the Hub's client, Arrow and the file system.
    except Exception as error:
        return None, [("path", f"{path} cannot be loaded: {first_line(error)}.")]
    sets = arguments.get(SETS) or {}
    by_part, faults = _parts(loaded, arguments.get("splits"), sets)
    if faults:
        return None, faults
    features = by_part[0].features
    faults = [
        ("exclude", f"column {name} holds {type(feature).__name__.lower()}s. {NO_TABLE[type(feature).__name__]}")
        for name, feature in features.items()
        if type(feature).__name__ in NO_TABLE and name not in (arguments.get("exclude") or ())
        and name in (arguments.get("features") or features)
    ]  # fmt: skip
    if faults:
        return None, faults
    import pyarrow as pa

    tables = {part: _table(dataset) for part, dataset in sorted(by_part.items())}
    if not arguments.get("splits"):
        tables = {part: t for part, t in tables.items() if not _is_unlabelled(part, t, arguments)}
    try:
        table = pa.concat_tables(
            [t.select(tables[0].column_names) for t in tables.values()], promote_options="permissive"
        )
    except (pa.ArrowException, KeyError) as error:
        return None, [("path", f"the splits of {path} have different columns: {first_line(error)}.")]
    sizes = [tables[part].num_rows if part in tables else 0 for part in range(len(PATHS) + len(sets))]
    note = "" if arguments.get("splits") else _note(loaded, by_part, tables)
    own = [OWN[part] for part in tables if 0 < part < len(PATHS)]
    name = paths.expanded(path).stem if _is_local(path) else path.rpartition("/")[2]
    return MemorySource(name, table, table.nbytes <= SMALL, own, sizes, note), []


def _loaded(path: str, subset: str | None) -> Mapping[str, Any]:
    """Return the splits of a dataset by name."""
    import datasets
    import tqdm

    datasets.disable_progress_bars()
    # Its own is a semaphore, of which Python warns where a trial's process exits at once.
    tqdm.tqdm.set_lock(threading.RLock())
    where = paths.expanded(path)
    if not _is_local(path):
        with _hub.offline() if _hub.unreachable() else contextlib.nullcontext():
            return datasets.load_dataset(path, subset)
    if (where / "dataset_dict.json").is_file() or (where / "state.json").is_file():
        loaded = datasets.load_from_disk(str(where))
        return loaded if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    # Parquet only: of other formats, some of `datasets` run code of theirs.
    if where.is_dir():
        return datasets.load_dataset("parquet", data_dir=str(where))
    return datasets.load_dataset("parquet", data_files=str(where))


def _parts(
    loaded: Mapping[str, Any], splits: Mapping[str, str] | None, sets: Mapping[str, str]
) -> tuple[dict[int, Any], list[Fault]]:
    """Return the dataset of each part: 0 training, 1 validation, 2 test, then the further validation sets."""
    if splits is None:
        named = {PART_NAMES[name.lower()]: name for name in loaded if name.lower() in PART_NAMES}
        if len(loaded) == 1:
            named = {0: next(iter(loaded))}
    else:
        named = {PART_NAMES[part]: name for part, name in splits.items()}
    named |= dict(enumerate(sets.values(), len(PATHS)))
    unknown = [name for name in named.values() if name not in loaded]
    if unknown or 0 not in named:
        what = f"no split {unknown[0]!r}" if unknown else "no split for training"
        return {}, [
            (
                "splits",
                f"the dataset has {what}; it has {', '.join(loaded)}. For example data.splits={{train: {next(iter(loaded))}}}.",
            )
        ]
    return {part: loaded[name] for part, name in named.items()}, []


def _is_unlabelled(part: int, table: pa.Table, arguments: Mapping[str, Any]) -> bool:
    """Return whether a test or validation split is one without targets, as those of benchmarks are."""
    target = arguments.get("target")
    targets = [target] if isinstance(target, str) else target or ()
    return 0 < part < len(PATHS) and any(
        name in table.column_names and table.column(name).null_count == table.num_rows for name in targets
    )


def _note(loaded: Mapping[str, Any], by_part: Mapping[int, Any], used: Collection[int]) -> str:
    """Return a sentence on splits that are not used, as their names do not say what for or they have no targets, or "".

    Args:
        loaded: all splits by name.
        by_part: those whose name says the part, or that the arguments name.
        used: parts with targets.
    """
    named = {name: part for part, one in by_part.items() for name, split in loaded.items() if one is split}
    others = [name for name in loaded if name not in named]
    words = [f"{name} (no row has a target)" for name, part in named.items() if part not in used]
    if not others and not words:
        return ""
    way_out = ""
    if others:
        splits = f"data.splits={{train: {next(iter(named))}, validation: {others[0]}}}"
        way_out = f"; {splits} or data.validation_sets={{name: {others[0]}}} takes one"
    return f"splits that are not used: {', '.join([*others, *words])}{way_out}"


def _table(dataset: Any) -> pa.Table:
    """Return a dataset's rows, class labels by their names."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = dataset.with_format("arrow")[:].replace_schema_metadata(None)
    for i, (name, feature) in enumerate(dataset.features.items()):
        if type(feature).__name__ != "ClassLabel":
            continue
        ids = table.column(name).combine_chunks()
        ids = pc.if_else(pc.less(ids, 0), pa.nulls(1, ids.type)[0], ids)  # -1: without a label
        names = pa.array(feature.names, pa.string())
        table = table.set_column(i, name, pc.take(names, ids))
    return table
