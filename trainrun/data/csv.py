"""Your own table: a CSV file with a header. Numeric and categorical columns are recognized, faults named by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.data import _csv_file, _encoding, _header_names, _table_dataset, _table_files
from trainrun.data._csv_format import CsvFormat
from trainrun.data._csv_source import CsvSource
from trainrun.data._faults import Fault
from trainrun.data._foldered_csv import FolderedCsv
from trainrun.data._split_settings import settings_of
from trainrun.data._table_files import Paths
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import Dataset, Description
from trainrun.data.preprocessor import Preprocessor
from trainrun.data.profile import TableValues
from trainrun.errors import listed
from trainrun.util.arguments import Count, Decay, Index, Name

# File extensions that are read from a folder.
ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".csv.bz2", ".tsv", ".tsv.gz")
# Faults of files that are listed.
NAMED = 10


def csv(
    *,
    path: str | None = None,
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
    task: str | Mapping[str, str] = "auto",
    na_values: Sequence[Name] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | int | None = None,
    names: Sequence[Name] | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    weight: Name | None = None,
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
    standardize: bool = True,
    standardize_target: bool = True,
    target_transform: Any = "auto",
    seed: int = 42,
    preprocessor: Preprocessor | None = None,
) -> Dataset:
    """Return the rows, split; if there are numeric and categorical columns, they are two inputs.

    A column is numeric if more than half of its values are numbers (the others are then faults, named by line), otherwise
    categorical. Class labels and categories are the unchanged texts of the file.
    Imputed values, categories, means and deviations are fitted on the training set only. A category that it does not have
    gets code 0, "unknown".

    Args:
        path: the file, text whose first line has the columns' names, also compressed (.csv.gz, .csv.zst); or a folder, or a
            pattern (``data/*.csv``), of files with the same columns, read in the order of their names.
        target: the column to predict; or several, each an output of the model with a loss and metrics of its own.
        positive: the positive class of two, whose probability is predicted; ``rarer``: the rarer one, but 1 of 0 and 1, and true of
            false and true; None: the second by number or alphabet.
        features: the columns to predict from; None: all others.
        exclude: columns to leave out.
        categorical: features to take as categories; the others are what their values say.
        text: columns of free text, each an input of token ids with the vocabulary of the training set, as by `data.text.text`; or column ->
            its arguments `max_tokens`, `sequence_length`, `standardize`, `tokens` and `ngrams`.
        dates: columns of dates; or column -> the order of day, month and year, which texts such as 03/04/2024 leave open: ``dmy``, ``mdy``,
            ``ymd``, or ``ym`` and ``my`` of months; None: by their values.
        ordinal: column -> its values from the lowest to the highest, {size: [S, M, L]}: a feature becomes their ranks 0, 1, 2, and the
            classes of the target have that order.
        label_separator: between the labels of one field of the target (``drama;comedy``), each of which is an output; an empty field has none.
        missing: ``auto`` imputes numbers with the median and categories with the most frequent, and adds an indicator column (1
            where the value is missing) for each column with missing values; ``mean_or_mode`` and ``median_or_mode`` impute without
            indicators; ``drop`` leaves out rows that miss anything; ``error``. A row without target or weight is dropped by all
            but ``error``.
        formats: ``auto``: a column all of whose texts are percentages, numbers with separators (4,123.50), truth values, dates or times (08:30) is
            understood as such, a date as year, month, day and weekday, and hour if any has one; ``plain``: they are categories.
        task: ``classification``, ``regression``, or ``auto``: classification if the target is text or has at most
            20 distinct whole numbers. Of several targets also a word for each, ``{churn: classification}``, or
            ``multilabel``: they are columns of 0 and 1, the labels of one output.
        na_values: the texts that stand for a missing value besides the empty field, ignoring case; None: NA, N/A, NaN, null,
            none and ?. An empty list: only the empty field does.
        delimiter: between fields; ``tab`` for a tab; None: comma, semicolon, tab or bar, inferred from the first rows.
        encoding: of the text; None: UTF-8, or UTF-16 by its byte-order mark.
        header: the line with the columns' names, from 1 on; the lines before it are skipped. False: there is none, and the columns are
            `names`, else column_1, column_2 …; None: the first line, unless `names` are set.
        names: the columns' names, of a file that has none, or in place of those of the line `header`.
        decimal: separator of numbers, ``comma`` or ``point``; None: the point, and by `formats` any other that fits a whole column.
        thousands: separator of numbers: ``comma``, ``point``, ``blank`` or ``apostrophe``; None: likewise.
        weight: a column with each example's weight in the loss, or None.
        split: how the parts are made. ``random``; ``group``: rows of one group (`group`) stay together; ``time``: the latest rows are
            the test part, those before them the validation part, by the column `time`, else in the order of the rows;
            ``column``: the column `part` has train, validation or test in each row; ``auto``: by the one of these columns that is
            named, else at random. Such columns are no features unless `features` names them.
        group, time, part: the columns of `split`.
        validation_path, test_path: files of those parts, as `path`; None: they are split off.
        validation_sets: files of further validation sets by name, ``{hard: hard.csv}``, measured after each epoch as ``val.hard_loss``.
        folds: the validation part is one of so many folds, of equal size, of what is no test part; None: `validation` is its share. By time,
            each fold is trained on what is before it.
        fold: which fold, from 0; a sweep (``-m``) trains on all of them.
        validation, test: fractions of all examples; 0: no such set. One that files or a column name is that.
        stratify: keep the proportions of the classes in each set.
        standardize: scale each numeric column to mean 0 and standard deviation 1.
        standardize_target: scale a regression target to mean 0 and standard deviation 1; metrics and predictions stay
            in its unit.
        target_transform: of a regression target: ``log`` and ``log1p``: its logarithm is learnt, metrics and predictions are in its unit;
            ``auto``: where the loss reads targets in their unit (msle, poisson), the model's output is multiplied by their mean;
            ``none``. Of several targets also one for each: ``{spend: log}``; others are ``auto``.
        seed: of the split.
        preprocessor: what was fitted on another table, in place of fitting: that of the model, for `model=file`.

    Raises:
        UserError: with all faults of the file and the arguments.
    """
    arguments = locals()
    return _table_dataset.dataset(lambda: _opened(arguments), arguments)


def describe(**arguments: Any) -> Description:
    """Return what the header tells and, of a small file, its rows; arguments as in `csv`."""
    return _table_dataset.description(lambda: _opened(arguments), arguments)


def values(**arguments: Any) -> TableValues:
    """Return the columns as they are understood; arguments as in `csv`."""
    return _table_dataset.values(lambda: _opened(arguments), arguments)


def _opened(arguments: Mapping[str, Any]) -> tuple[CsvSource | None, list[Fault]]:
    """Return the table of a dataset's arguments, or its faults."""
    form = CsvFormat.of(arguments)
    source, faults = open_source(_table_files.paths_of(arguments), form, settings=settings_of(arguments)[0])
    if source is not None and form == form.with_own_header():
        targets = [name for name in settings_of(arguments)[0].targets if isinstance(name, str)]
        if _header_names.seems_a_row(source.header):
            message = (
                f"the first line seems to be a row, not the columns' names: {listed(source.header, NAMED)}. "
                f"If they are the names: data.header=1; else {_header_names.NAMELESS}"
            )
            return None, [("path", message)]
        if advice := source.header_advice(targets):
            shown = listed(source.header)
            return None, [("target", f"the first line has no column {targets[0]!r}; it is {shown}. {advice}")]
    return source, faults


def open_source(
    paths: Paths,
    form: CsvFormat,
    is_later: bool = False,
    settings: TableSettings | None = None,
) -> tuple[CsvSource | None, list[Fault]]:
    """Return the table of paths as typed, or its faults.

    Args:
        paths: of the parts.
        form: how the files are written.
        is_later: see `_csv_file.look`; then nothing is understood of them but an encoding that is a guess.
        settings: of the columns, which say what is not read; None: nothing.
    """
    file_paths, parts, faults = _table_files.find_parts(paths, ENDINGS, "my_data.csv")
    faults += form.faults()
    if faults:
        return None, faults
    files = []
    arguments = _table_files.arguments_of(paths, parts)
    for file, wrong in (
        _csv_file.look(file, form, is_later, argument)
        for file, argument in zip(file_paths, arguments, strict=True)
    ):
        files.append(file)
        faults += wrong
    if faults:
        return None, faults[:NAMED]
    own = {name for file in files for name in file.header}
    of_folders = _table_files.of_folders(file_paths, parts, paths, own)
    headers = [(*file.header, *values) for file, values in zip(files, of_folders, strict=True)]
    unused = _table_files.unused(settings, headers)
    if faults := _table_files.schema_faults(file_paths, arguments, headers, unused):
        return None, faults
    training = [file for file, part in zip(file_paths, parts, strict=True) if not part]
    name = _table_files.name(training, str(paths["path"]))
    if is_later:
        guesses = (_encoding.guessed(file.path.name, file.guess) for file in files if file.guess)
        return _with_folders(CsvSource(name, files, next(guesses, ""), parts), of_folders), []
    notes = [f"{len(training)} files{_table_files.folder_note(of_folders)}"] if len(training) > 1 else []
    if form.delimiter is None and files[0].delimiter != ",":
        notes.append(f"fields are separated by {files[0].delimiter!r}")
    if form.encoding is None and files[0].encoding != _encoding.UTF_8:
        notes.append(f"the text is in {files[0].encoding.upper()}")
    note = f"data.path={paths['path']}: {', '.join(notes)}." if notes else ""
    return _with_folders(CsvSource(name, files, note, parts), of_folders), []


def _with_folders(source: CsvSource, of_folders: Sequence[dict[str, str | None]]) -> CsvSource:
    # Files whose folders name other columns than those of the first differ in what is not read.
    same = [{column: each.get(column) for column in of_folders[0]} for each in of_folders]
    return FolderedCsv(source, same) if same[0] else source
