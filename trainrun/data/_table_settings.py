"""Settings of tables: the arguments on columns and their values that all kinds of tables share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainrun.data import _csv_format, _header_names, _notations, _output_names, _text_columns
from trainrun.data._columns import (
    FORMATS,
    MISSING,
    MULTILABEL,
    PATHS,
    POLICIES,
    RARER,
    TASKS,
    TRANSFORMS,
    number,
)
from trainrun.data._faults import Fault
from trainrun.data._notations import Notation
from trainrun.errors import did_you_mean, listed
from trainrun.util import typed_names


@dataclass(frozen=True)
class TableSettings:
    """The arguments of a table. `with_header` replaces column names as typed by those of the file."""

    target: Any = None  # a name, or a tuple of several
    features: Sequence[Any] | None = None
    categorical: Sequence[Any] | None = None
    numeric: frozenset[str] = frozenset()  # features that must hold numbers, by a stored record
    exclude: Sequence[Any] | None = None
    dates: Any = None  # a list of columns, or column -> order of the fields; by `with_header` the latter, None where it is inferred
    ordinal: Mapping[Any, Sequence[Any]] | None = None
    label_separator: str | None = None
    items: str | None = None  # "text" or "image": what the only feature names, which nothing imputes
    text: Any = None  # a list of columns, or column -> arguments of `TextForm`; by `with_header` the latter
    weight: Any = None
    missing: str = "auto"
    task: Any = "auto"  # a word, or target -> word
    na_values: Sequence[Any] | None = None
    positive: Any = RARER
    formats: str = "auto"
    group: Any = None
    time: Any = None
    part: Any = None
    target_transform: Any = "auto"  # a word, or target -> word
    decimal: Any = None  # as typed; see `_csv_format.WORDS`
    thousands: Any = None
    scored: bool = False  # the rows are measured by a trained model, so that any of them will do
    inputs: tuple[str, ...] = ()  # the feature columns, by `with_header`
    notations: Mapping[str, Notation] = dataclasses.field(
        default_factory=dict
    )  # of columns read by a stored record, and of ordinal ones

    @functools.cached_property
    def missing_words(self) -> frozenset[str]:
        """The texts, in lower case, that stand for a missing value."""
        values = MISSING if self.na_values is None else self.na_values
        words = (word for value in values for word in typed_names.missing_texts(value))
        return frozenset({"", *(word.strip().lower() for word in words)})

    @functools.cached_property
    def numbers_may_be_missing(self) -> bool:
        """Whether a number stands for a missing value (-999)."""
        return any(number(word) is not None for word in self.missing_words)

    @property
    def number_form(self) -> str | None:
        """The notation of numbers in text, as `_notations.form_of`; None: the plain one, or by `formats` another."""
        return _notations.form_of(*self._separators)

    @property
    def read_number(self) -> Callable[[str], float | None]:
        """What reads a text as a number, None if it is none."""
        return _notations.reader(*self._separators)

    @property
    def _separators(self) -> tuple[str | None, str | None]:
        return _csv_format.character(self.decimal), _csv_format.character(self.thousands)

    @property
    def used(self) -> list[str]:
        """All columns that are read, without duplicates: a weight may be a feature, too."""
        others = (name for name in (*self.targets, *self.beside) if name is not None)
        return list(dict.fromkeys([*self.inputs, *others]))

    @property
    def targets(self) -> tuple[Any, ...]:
        """The targets, of which there may be several, or none."""
        several = isinstance(self.target, list | tuple)
        return tuple(self.target) if several else () if self.target is None else (self.target,)

    @property
    def is_named(self) -> bool:
        """Whether each target is an output of its own, not one of several labels."""
        return len(self.targets) > 1 and self.task != MULTILABEL

    def of_target(self, name: str) -> TableSettings:
        """Return the settings with one target of several."""
        positive = self.positive.get(name, RARER) if isinstance(self.positive, Mapping) else self.positive
        transform = self.target_transform
        if isinstance(transform, Mapping):
            transform = transform.get(name, "auto")
        return dataclasses.replace(
            self, target=name, task=self.task_of(name), positive=positive, target_transform=transform
        )

    def task_of(self, name: str) -> Any:
        """Return the task of a target."""
        if self.task == MULTILABEL:
            return "classification"
        return self.task.get(name, "auto") if isinstance(self.task, Mapping) else self.task

    @property
    def beside(self) -> tuple[Any, ...]:
        """The columns besides features and target: those of weights and of the split, None where there is none."""
        return self.weight, self.group, self.time, self.part

    @property
    def text_columns(self) -> list[str]:
        """The columns whose unchanged text is needed: categories, labels, and all if numbers may be missing values."""
        if self.numbers_may_be_missing:
            return self.used
        return [
            c
            for c in self.used
            if self.forced(c) is False
            or self.is_ordinal(c)
            or (c in self.targets and self.task_of(c) != "regression")
        ]

    def forced(self, column: str) -> bool | None:
        """Return True if the column must hold numbers, False if it is categorical, None to infer it from its values."""
        if column == self.weight:
            return True
        if column in (self.group, self.part) or self.is_text(column):
            return False
        if column == self.time or column in self.notations:
            return None
        if column in self.targets:
            if self.label_separator is not None or column in (self.ordinal or ()):
                return False
            return {"regression": True, "classification": False, PATHS: False}.get(self.task_of(column))
        return False if column in self._categorical else True if column in self.numeric else None

    def is_ordinal(self, column: str) -> bool:
        """Return whether the values of a feature are texts that stand for ranks."""
        return column in self.notations and self.notations[column].kind == "ordinal"

    def is_text(self, column: str) -> bool:
        """Return whether a feature is free text, which becomes tokens."""
        return column in (self.text or ())

    @functools.cached_property
    def _categorical(self) -> frozenset[str]:
        return frozenset(self.categorical or ())

    def faults(self) -> list[Fault]:
        """Return the faults of the arguments that do not depend on the table."""
        faults = []
        for key, choices in (
            ("missing", POLICIES),
            ("task", (*TASKS, MULTILABEL)),
            ("formats", FORMATS),
            ("target_transform", TRANSFORMS),
        ):
            value = getattr(self, key)
            by_target = key in ("task", "target_transform") and isinstance(value, Mapping)
            values = value.values() if by_target else (value,)
            if bad := [value for value in values if value not in choices]:
                value = bad[0]
                near = did_you_mean(str(value), choices)
                faults.append((key, f"expected one of {', '.join(choices)}, got {value!r}.{near}"))
        for key in ("features", "categorical", "exclude"):
            value = getattr(self, key)
            if value is not None and (isinstance(value, str) or not isinstance(value, Sequence)):
                faults.append((key, f"expected null or a list of columns, got {value!r}. Write [{value}]."))
        separator, count = self.label_separator, len(self.targets)
        if separator is not None and (not separator or count > 1 or self.task not in ("auto", MULTILABEL)):
            expected = "expected what separates the labels of one column, and data.task=multilabel or auto"
            faults.append(("label_separator", f"{expected}; got {separator!r}, data.task={self.task}."))
        return [
            *faults,
            *_text_columns.faults(self.text),
            *_notations.date_faults(self.dates),
            *_notations.level_faults(self.ordinal or {}),
        ]

    def with_header(self, header: Sequence[str]) -> tuple[TableSettings, list[Fault]]:
        """Return the settings with the table's own column names, and a fault for each name that it lacks.

        Args:
            header: the names of the table's columns.
        """
        faults = _header_names.faults(header)
        names = dict.fromkeys(header)

        def column(key: str, value: Any) -> str:
            if isinstance(value, str) and value in names:
                return value
            try:
                name = typed_names.resolve(value, header)
            except ValueError as error:
                faults.append((key, str(error)))
                return str(value)
            if name is None:
                faults.append((key, _header_names.unknown(value, header)))
            return str(value) if name is None else name

        if self.target is None:
            null = (
                f" For a column of that name: data.target={typed_names.quoted('null')}."
                if "null" in names
                else ""
            )
            has = listed(header)
            faults.append(("target", f"expected the column to predict, got null. The file has {has}.{null}"))
        targets = tuple(dict.fromkeys(column("target", value) for value in self.targets))
        target = targets if len(targets) > 1 else targets[0] if targets else None
        faults += _output_names.target_faults(self, targets)
        by_target = {"task": self.task, "positive": self.positive, "target_transform": self.target_transform}
        for key, value in by_target.items():
            if isinstance(value, Mapping):
                by_target[key] = {column(key, name): word for name, word in value.items()}
                if stray := [name for name in by_target[key] if name in names and name not in targets]:
                    near = did_you_mean(stray[0], targets)
                    faults.append(
                        (key, f"{stray[0]!r} is no target.{near} The targets are {listed(targets)}.")
                    )
                if len(targets) == 1 and key != "positive":
                    by_target[key] = by_target[key].get(targets[0], "auto")
        lists = {
            key: None if getattr(self, key) is None else [column(key, value) for value in getattr(self, key)]
            for key in ("features", "categorical", "exclude")
        }
        beside = {
            key: None if (value := getattr(self, key)) is None else column(key, value)
            for key in ("weight", "group", "time", "part")
        }
        ordinal = {
            column("ordinal", name): [typed_names.spellings(value)[0] for value in values]
            for name, values in (self.ordinal or {}).items()
        }
        orders = self.dates if isinstance(self.dates, Mapping) else dict.fromkeys(self.dates or ())
        dates = {column("dates", name): order for name, order in orders.items()}
        text = {column("text", name): form for name, form in _text_columns.forms(self.text).items()}
        weight = beside["weight"]
        excluded = {*(lists["exclude"] or ())}
        named = lists["features"]
        if named is None:
            named, excluded = header, {*excluded, *targets, *beside.values()}
        inputs = tuple(name for name in named if name not in excluded)
        for name in targets:
            if name in inputs:
                message = (
                    f"the target {name!r} is among the features, so there is nothing to learn. Leave it out."
                )
                faults.append(("features", message))
        if not inputs:
            faults.append(("features", "no columns are left to predict from."))
        if weight is not None and weight in targets:
            faults.append(("weight", f"{weight!r} is the target. Name another column, or null."))
        for name in targets:
            if name in (lists["exclude"] or ()):
                faults.append(("exclude", f"{name!r} is the target. Take it out of data.exclude."))
            faults += [
                (key, f"{name!r} is the target. Name another column, or null.")
                for key in ("group", "part")
                if beside[key] == name
            ]
        others = {"categorical": lists["categorical"] or (), "ordinal": ordinal, "dates": dates}
        faults += _text_columns.column_faults([name for name in text if name in names], inputs, others)
        for key, named, known in (("ordinal", ordinal, targets), ("dates", dates, (beside["time"],))):
            what = "the target" if key == "ordinal" else "data.time"
            for name in named:
                if name not in (*inputs, *known):
                    faults.append((key, f"{name!r} is neither a feature nor {what}. Leave it out."))
        notations = {name: Notation.of_levels(levels) for name, levels in ordinal.items() if name in inputs}
        notations |= {name: Notation("date", order) for name, order in dates.items() if order is not None}
        notations |= self.notations
        changed = {
            **by_target,
            **beside,
            **lists,
            "text": text,
            "ordinal": ordinal,
            "dates": dates,
            "notations": notations,
        }
        return dataclasses.replace(self, target=target, inputs=inputs, **changed), faults
