"""The record of what was fitted on the training part: raw columns in, class names and units out. Plain JSON, no Keras.

It stands as `preprocessing.json` in a run's directory and inside `model.keras`, in checkpoints and in MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainrun.data._csv_format import CsvFormat, separator_faults
from trainrun.data._gaps import UNKNOWN_NAME
from trainrun.data._notations import LIST, Notation, known_form, read
from trainrun.data.dataset import InputSpec, TargetSpec, Task
from trainrun.util import paths, typed_tree

if TYPE_CHECKING:
    from trainrun.data.dataset import Dataset

FILE = "preprocessing.json"
# Version of the record. A newer one is refused.
FORMAT = 1
Moments = tuple[tuple[float, ...], tuple[float, ...]]  # means and deviations


@dataclass(frozen=True)
class Column:
    """One raw column.

    Args:
        name: as the table has it.
        kind: ``number``; ``truth``: texts that stand for 0 and 1; ``ordinal``: texts that stand for ranks; ``date``: texts, or seconds since 1970;
            ``category``: texts; ``text``: texts that become tokens, an input each.
        form: the notation of numbers, truth values, ranks and dates, as `_notations.Notation.form`; None: plain numbers, or texts.
        fill: the number (of a date, seconds since 1970) or text in place of a missing value; None: a missing number stays NaN, and
            a missing text is unknown.
        parts: of a date, what the model gets: ``year``, ``month``, ``day``, ``weekday`` (0 is Monday), ``hour``.
        categories: texts, in the order of their codes from 1 on; code 0 is any other text.
        whole: all values of a column of plain numbers are integers, and none is missing.
        typed: the file has a date as such, not as text.
        gaps: missing values in the file: ``none`` (but integers as -999, which pandas reads as such); ``blank``: pandas reads them as such (an empty field, NA); ``text``: others, as ``?``.
    """

    name: str
    kind: Literal["number", "truth", "ordinal", "date", "category", "text"]
    form: str | None = None
    fill: float | str | None = None
    parts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    whole: bool = False
    typed: bool = False
    gaps: Literal["none", "blank", "text"] = "none"

    @property
    def fill_code(self) -> int:
        """The code of a missing text."""
        return 1 + self.categories.index(self.fill) if self.fill in self.categories else 0

    @property
    def features(self) -> tuple[str, ...]:
        """The names under which the model reads it: of a date those of its parts, of a text none, else the column's own."""
        return tuple(f"{self.name} {part}" for part in self.parts) or (self.name,) * (self.kind != "text")

    @property
    def words(self) -> str:
        """What the column holds."""
        if self.kind in ("category", "text"):
            return "texts" if self.kind == "text" else "categories"
        return "numbers" if self.form is None else Notation(self.kind, self.form).words


@dataclass(frozen=True)
class Preprocessor:
    """What leads from raw data to the arrays that a model is trained on, and from its output to classes and units.

    Args:
        data: the dataset's name.
        task, inputs, target: as in `Dataset`; `inputs` are those of the model without its raw-row front.
        table: raw data are columns by name; False: arrays as in `inputs`.
        columns: of a table, in the order in which they are encoded: numbers and truth values, dates, categories, texts.
        indicators: column -> False if its indicator is 0 throughout; an indicator is 1 where the value is missing.
        features: the names of the numbers in a numeric array, or of a step of sequences: columns, parts of dates, indicators.
        moments: numeric input -> mean and deviation of each of its numbers, to subtract and to divide by; numbers of other inputs are
            taken as they are.
        scales: image input -> the factor of its pixels, unless it is 1.
        target_name: the column that is predicted; None: there is none, or several, whose names are those of the outputs.
        target_scale: mean and deviation of each output by which a real target is learnt; None: it is learnt as it is.
        target_scales: of several outputs, the same of each that is learnt so.
        missing_words: texts, in lower case and without blanks around them, that stand for a missing value.
        steps: of texts in a table, and of data that are no table, input -> what is done to it, where `moments` and `scales` do not say it:
            `standardize` (`mean`, `std`); `scale`, after `resize` where images have any size; or the arguments and `vocabulary` of `TextVectorization`.
        file: how a CSV file of such rows is written, as far as that was set.
    """

    data: str
    task: Task
    inputs: tuple[InputSpec, ...]
    target: TargetSpec
    table: bool = False
    columns: tuple[Column, ...] = ()
    indicators: Mapping[str, bool] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    moments: Mapping[str, Moments] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    target_name: str | None = None
    target_scale: Moments | None = None
    target_scales: Mapping[str, Moments] = field(default_factory=dict)
    missing_words: tuple[str, ...] = ("",)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: CsvFormat = field(default_factory=CsvFormat)

    @classmethod
    def of(cls, data: Dataset) -> Preprocessor:
        """Return the preprocessor of a dataset, from what its loading has fitted (`Dataset.preprocessing`)."""
        record, several = data.preprocessing, len(data.inputs) > 1
        table, scale = bool(record.get("table")), record.get("standardize_target")
        done = {} if several else {s.name: record for s in data.inputs}
        if several:
            done = {"numeric": record} if table else record.get("inputs", {})
        moments, scales = {}, {}
        for spec in data.inputs:
            standard = done.get(spec.name, {}).get("standardize")
            if standard is not None and spec.kind == "numeric" and len(standard["mean"]) == spec.shape[0]:
                moments[spec.name] = tuple(standard["mean"]), tuple(standard["std"])
            factor = float(done.get(spec.name, {}).get("scale", 1.0))
            if spec.kind == "image" and factor != 1.0:
                scales[spec.name] = factor
        return cls(
            data.name,
            data.task,
            data.inputs,
            data.target,
            table,
            _columns(record) if table else (),
            dict(record.get("indicators", {})),
            tuple(str(name) for name in data.features) if table else _features(data),
            moments,
            scales,
            record.get("target"),
            _moments(scale) if scale else None,
            {
                name: _moments(of["standardize_target"])
                for name, of in record.get("outputs", {}).items()
                if "standardize_target" in of
            },
            tuple(record.get("missing_words", ("",))),
            dict(record.get("inputs", {})),
            CsvFormat(**record.get("file", {})),
        )

    def record(self) -> dict[str, Any]:
        """Return the entries of a table's `Dataset.preprocessing` that this was made of; see `_table_inputs.inputs`."""
        record: dict[str, Any] = {
            "fill": {c.name: c.fill for c in self.columns if c.fill is not None},
            "dates": {c.name: list(c.parts) for c in self.columns if c.kind == "date"},
            "categories": {c.name: [UNKNOWN_NAME, *c.categories] for c in self.categories},
            "notations": {c.name: c.form for c in self.columns if c.form is not None},
            "whole": [c.name for c in self.columns if c.whole],
            "typed": [c.name for c in self.columns if c.typed],
            "gaps": {c.name: c.gaps for c in self.columns if c.gaps != "none"},
            "missing_words": list(self.missing_words),
            **({"inputs": dict(self.steps)} if self.steps else {}),
        }
        if self.indicators:
            record["indicators"] = dict(self.indicators)
        if "numeric" in self.moments:
            mean, std = self.moments["numeric"]
            record["standardize"] = {"mean": list(mean), "std": list(std), "columns": list(self.features)}
        return record

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of a table that are predicted."""
        labels = self.target.classes if self.table and self.target.kind == "multilabel" else ()
        one = () if self.target_name is None else (self.target_name,)
        return one or tuple(self.target.named) or labels

    @property
    def numbers(self) -> tuple[Column, ...]:
        """The columns of numbers, truth values and ranks."""
        return tuple(c for c in self.columns if c.kind in ("number", "truth", "ordinal"))

    @property
    def dates(self) -> tuple[Column, ...]:
        """The columns of dates."""
        return tuple(c for c in self.columns if c.kind == "date")

    @property
    def categories(self) -> tuple[Column, ...]:
        """The columns of categories."""
        return tuple(c for c in self.columns if c.kind == "category")

    @property
    def of_texts(self) -> dict[str, str]:
        """Input of tokens -> the column of a table whose texts they are."""
        inputs = (spec.name for spec in self.inputs if spec.kind == "tokens")
        return dict(zip(inputs, (c.name for c in self.columns if c.kind == "text"), strict=False))

    def names(self, spec: InputSpec) -> tuple[str, ...]:
        """Return the names of an input's numbers or categories, in their order; empty where they have none."""
        by_kind = {"numeric": self.features, "categorical": tuple(c.name for c in self.categories)}
        names = by_kind.get(spec.kind, ())
        return names if (len(names),) == spec.shape else ()

    def to_json(self) -> str:
        """Return the record as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Preprocessor:
        """Return the preprocessor of a record.

        Raises:
            ValueError: it is no such record, or one of a newer trainrun.
        """
        record = json.loads(text)
        if not isinstance(record, dict) or not isinstance(record.get("format"), int):
            raise ValueError(f"it is no {FILE}")
        if record["format"] > FORMAT:
            raise ValueError(
                f"it is of format {record['format']}, and this trainrun reads {FORMAT}; update trainrun"
            )
        preprocessor = typed_tree.typed(cls, record, FILE)
        if (fault := preprocessor._inconsistency()) is not None:
            raise ValueError(f"it is no {FILE}: {fault}")
        return preprocessor

    def _inconsistency(self) -> str | None:
        """Return in words what of the record contradicts itself, or None."""
        for name, (means, deviations) in [
            *self.moments.items(),
            *([("target", self.target_scale)] if self.target_scale else []),
            *self.target_scales.items(),
        ]:
            if len(means) != len(deviations):
                return f"{name} has {len(means)} means and {len(deviations)} deviations"
        if separator_faults(self.file.decimal, self.file.thousands):
            return f"numbers are written with {self.file.decimal!r} and {self.file.thousands!r}"
        for column in self.columns:
            if not known_form(column.kind, column.form):
                return f"column {column.name} of {column.kind} has the form {column.form!r}"
            text = isinstance(column.fill, str)
            if column.fill is not None and text != (column.kind == "category"):
                return f"column {column.name} of {column.kind} is filled with {column.fill!r}"
        return None

    def write(self, folder: Path) -> Path:
        """Write the record into a folder; return its path."""
        with paths.whole(folder / FILE) as new:
            new.write_text(self.to_json() + "\n", encoding="utf-8")
        return folder / FILE


def _moments(scaling: Mapping[str, Any]) -> Moments:
    return tuple(scaling["mean"]), tuple(scaling["std"])


def _number_kind(form: str) -> str:
    return "ordinal" if form.startswith(LIST) else "truth" if "/" in form else "number"


def _columns(record: Mapping[str, Any]) -> tuple[Column, ...]:
    """Return the columns of a table; see `_table_inputs.inputs`."""
    fill, forms, whole = record["fill"], record["notations"], frozenset(record["whole"])
    numbers = (
        Column(name, _number_kind(forms.get(name, "")), forms.get(name), fill.get(name), whole=name in whole)
        for name in record["columns"]["numeric"]
    )
    dates = (
        Column(
            name,
            "date",
            forms[name],
            read(fill[name], Notation("date", "ymd")) if name in fill else None,
            tuple(parts),
            typed=name in record["typed"],
        )
        for name, parts in record.get("dates", {}).items()
    )
    categories = (
        Column(name, "category", fill=fill.get(name), categories=tuple(record["categories"][name][1:]))
        for name in record["columns"]["categorical"]
    )
    texts = (Column(name, "text") for name in record["columns"].get("text", ()))
    columns, gaps = (*numbers, *dates, *categories, *texts), record.get("gaps", {})
    return tuple(replace(column, gaps=gaps.get(column.name, "none")) for column in columns)


def _features(data: Dataset) -> tuple[str, ...]:
    """Return the names of the columns of a single numeric array, of sequences those of a step; data of other inputs has none."""
    if len(data.inputs) != 1 or data.inputs[0].kind != "numeric":
        return ()
    width = data.inputs[0].shape[-1]
    names = tuple(str(name) for name in data.features)
    return names if len(set(names)) == width else tuple(f"x{i}" for i in range(width))
