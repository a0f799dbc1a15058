"""Your own texts: a column of a table, or a folder for each class. Tokens and vocabulary are those of `keras.layers.TextVectorization`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from trainrun.data import (
    _item_table,
    _measured,
    _table_files,
    _table_stored,
    _text_columns,
    _text_files,
    _vectorized_text,
)
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._item_table import Items, ItemSettings
from trainrun.data._split_settings import settings_of
from trainrun.data._vectorized_text import TextForm
from trainrun.data.dataset import Dataset, Description
from trainrun.data.preprocessor import Preprocessor
from trainrun.ui import console
from trainrun.util.arguments import Count, Decay, Index, Name, Range, TextStandardize, TextTokens

ENDINGS = (".txt",)
# Name of the model's input.
INPUT = "text"


def text(
    *,
    path: str | None = None,
    text: Name | None = None,
    target: Name | Sequence[Name] | None = None,
    positive: Name | Mapping[Name, Name] | None = "rarer",
    task: Any = "auto",
    label_separator: str | None = None,
    missing: Literal["auto", "error", "drop"] = "auto",
    weight: Name | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    max_tokens: Annotated[int, Range(3)] = 20000,
    sequence_length: Count | None = None,
    standardize: TextStandardize = "lower_and_strip_punctuation",
    tokens: TextTokens = "whitespace",
    ngrams: Count | None = None,
    preset: str | None = None,
    split: str = "auto",
    group: Name | None = None,
    time: Name | None = None,
    part: Name | None = None,
    validation_path: str | None = None,
    test_path: str | None = None,
    validation_sets: Mapping[str, str] | None = None,
    folds: Count | None = None,
    fold: Index | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
    preprocessor: Preprocessor | None = None,
) -> Dataset:
    """Return the texts as token ids, split. The vocabulary is that of the training set.

    Args:
        path: a table (CSV, Parquet, Feather) with a column of texts; or the folder with a folder for each class, of .txt files.
        text: of a table, the column of texts.
        target: of a table, the column to predict: classes or numbers; or several, each an output of the model.
        positive, task, label_separator, weight: as in `data.csv.csv`.
        missing: of a table, rows without text, target or weight: ``auto`` and ``drop`` leave them out; ``error``.
        delimiter: of a CSV file, as in `data.csv.csv`.
        encoding: of a CSV file, or of .txt files; None: UTF-8.
        max_tokens: size of the vocabulary, padding (0) and unknown tokens (1) included: the most frequent ones.
        sequence_length: tokens of each text, the others cut off or padded; None: that of 95 % of the training texts, at most 1000.
        standardize, tokens, ngrams: what is done to each text first; its tokens, words (``whitespace``) or ``character``; n-grams up to this
            length, too (None: single tokens).
        preset: of Keras Hub, a folder or a name: its tokenizer makes the tokens in place of a vocabulary that is fitted; None: none.
        split, group, time, part, folds, fold: of a table, as in `data.csv.csv`.
        validation_path, test_path: table or folder of the validation and the test set; None: split off.
        validation_sets: those of further validation sets by name.
        validation, test, stratify, standardize_target, seed: as in `data.csv.csv`.
        preprocessor: what was fitted on other texts, in place of fitting: vocabulary and tokens, and the
            order of the classes if it knows all of them.

    Raises:
        UserError: with all faults of the texts, the table and the arguments.
    """
    items, faults = _items(locals())
    raise_faults([*faults, *_preset_faults(locals())])
    texts, faults = _texts(items, encoding)
    raise_faults(faults)
    items = _with_texts(items, texts) if items.folder else items
    stored = {} if preprocessor is None else preprocessor.steps.get(INPUT, {})
    if "vocabulary" in stored:
        examples, faults = _table_stored.with_labels(items.examples, preprocessor, items.settings)
        # Other classes are no fault for `init_from`, whose head is then another.
        items = items if faults else replace(items, examples=examples)
        ids, record = _vectorized_text.by_record(texts, stored), dict(stored)
    else:
        of_texts = TextForm(max_tokens, sequence_length, standardize, tokens, ngrams, preset)
        ids, record = _vectorized_text.vectorized(texts, items.parts[0], of_texts)
    notice = _vectorized_text.unknown_notice(ids, items.parts[0], record, "data.tokens=character")
    spec = _text_columns.spec(INPUT, ids, record)
    console.note(f"texts: {ids.shape[1]} tokens each, a vocabulary of {spec.cardinalities[0]:,}")
    items = replace(items, values=texts)
    record = {"inputs": {INPUT: record}}
    return _item_table.dataset(items, spec, ids, standardize_target, record, [notice] if notice else [])


def _with_texts(items: Items, texts: Sequence[str]) -> Items:
    """Return the items of a folder without the files that have no text.

    Raises:
        UserError: a part has no others.
    """
    import numpy as np

    blank = np.array([not text.strip() for text in texts])
    if not blank.any():
        return items
    first, count = items.values[blank.argmax()], np.count_nonzero(blank)
    parts = [part[~blank[part]] for part in items.parts]
    if any(len(part) and not len(left) for part, left in zip(items.parts, parts, strict=True)):
        raise_faults([("path", f"all files of a part have no text, {first} among them. Take other texts.")])
    console.note(f"files without a text are left out: {count:,}; the first is {first}")
    inferred = {**items.inferred, "left_out": items.inferred["left_out"] + int(count)}
    return replace(items, parts=parts, inferred=inferred)


def describe(**arguments: Any) -> Description:
    """Return what the folders, the header or the rows of a small table tell; arguments as in `text`."""
    items, faults = _items(arguments | {"seed": 0}, even_large=False)
    faults += _preset_faults(arguments)
    if items is not None and items.folder:
        faults += _text_files.read(items.values[: _text_files.SAMPLE], arguments.get("encoding"))[1]
    return _item_table.description(items, "tokens", faults)


def _preset_faults(arguments: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the preset whose tokenizer is wanted; arguments as in `text`."""
    settings = {name: arguments[name] for name in ("preset", *_vectorized_text.FITTED) if name in arguments}
    message = TextForm(**settings).fault()
    return [("preset", message)] if message else []


def _items(arguments: Mapping[str, Any], even_large: bool = True) -> tuple[Items | None, list[Fault]]:
    """Return the rows of the table, or the files, or their faults; arguments as in `text` and `_item_table.read`."""
    table, splitting = settings_of({**arguments, "text": None})
    paths, form = _table_files.paths_of(arguments), CsvFormat.of(arguments)
    return _item_table.read(
        ItemSettings("text", ENDINGS, paths, arguments.get("text"), table, splitting, form), even_large
    )


def _texts(items: Items, encoding: str | None) -> tuple[list[str], list[Fault]]:
    """Return the texts: a table's values, or what is in the files."""
    if not items.folder:
        return items.values, []
    if not _measured.is_by_model():
        return _text_files.read(items.values, encoding)
    texts, faults, warning = _text_files.read_later(items.values, encoding)
    if warning:
        console.warn(warning)
    return texts, faults
