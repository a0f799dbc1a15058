"""Columns of free text in a table: how `data.text` names them, and the tokens that they become."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from trainrun.data import _vectorized_text
from trainrun.data._faults import Fault
from trainrun.data._vectorized_text import SPECIAL, TextForm
from trainrun.data.dataset import InputSpec
from trainrun.errors import did_you_mean, listed
from trainrun.ui import console
from trainrun.util.arguments import TextStandardize, TextTokens

if TYPE_CHECKING:
    import numpy as np

# Settings of a column's tokens -> the least integer, or the choices (None is one where it is the default); None: it is checked with the others.
SETTINGS: dict[str, int | tuple[str | None, ...] | None] = {
    "max_tokens": SPECIAL + 1,
    "sequence_length": 1,
    "standardize": get_args(TextStandardize),
    "tokens": get_args(TextTokens),
    "ngrams": 1,
    "preset": None,
}


def forms(text: Any) -> dict[Any, dict[str, Any]]:
    """Return the settings of each column's tokens; arguments as in `faults`."""
    return dict(text) if isinstance(text, Mapping) else {name: {} for name in text or ()}


def faults(text: Any) -> list[Fault]:
    """Return what is wrong with `data.text` whatever the table.

    Args:
        text: as typed: a list of columns, or column -> settings of its tokens.
    """
    if text is None:
        return []
    if isinstance(text, str) or not isinstance(text, Sequence | Mapping):
        return [("text", f"expected null or a list of columns, got {text!r}. Write [{text}].")]
    wrong: list[Fault] = []
    for name, form in text.items() if isinstance(text, Mapping) else ():
        if not isinstance(form, Mapping):
            message = f"expected the settings of the tokens, {{{name}: {{sequence_length: 100}}}}, got {form!r}. For none: [{name}]."
            wrong.append(("text", message))
            continue
        for key, value in form.items():
            if message := _setting_fault(key, value):
                wrong.append(("text", f"{name}{message}"))
        if not wrong and form.get("preset") is not None and (message := TextForm(**form).fault()):
            wrong.append(("text", f"{name}.preset: {message}"))
    return wrong


def _setting_fault(key: Any, value: Any) -> str:
    """Return what is wrong with a setting of a column, to be put behind the column's name; empty: nothing."""
    if key not in SETTINGS:
        return f": expected {listed([*SETTINGS])}, got {key!r}.{did_you_mean(str(key), SETTINGS)}"
    allowed = SETTINGS[key]
    if allowed is None:
        return ""
    if isinstance(allowed, int):
        fits = (type(value) is int and value >= allowed) or value is None is getattr(TextForm, key)
        expected = f"an integer of at least {allowed}"
    else:
        fits = value in allowed
        expected = " or ".join("null" if choice is None else choice for choice in allowed)
    return "" if fits else f".{key}: expected {expected}, got {value!r}."


def column_faults(
    text: Collection[str], inputs: Collection[str], others: Mapping[str, Collection[str]]
) -> list[Fault]:
    """Return the columns of texts that are no features, or are named as something else, too.

    Args:
        text: the columns.
        inputs: the features.
        others: argument that names columns of other kinds -> these columns.
    """
    strange = [
        ("text", f"{name!r} is no feature. Leave it out, or name it in data.features.")
        for name in text
        if name not in inputs
    ]
    twice = [
        ("text", f"{name!r} is in data.{key}, too. Name it in one of them.")
        for key, columns in others.items()
        for name in text
        if name in columns
    ]
    return [*strange, *twice]


def input_names(columns: Sequence[str]) -> list[str]:
    """Return the names of the inputs of columns: `text_review`, without the letter that Keras does not take."""
    names: list[str] = []
    for column in columns:
        name = f"text_{column.replace('/', '_')}"
        while name in names:
            name += "_"
        names.append(name)
    return names


def tokens(
    texts: Sequence[str], train: np.ndarray, column: str, form: Mapping[str, Any], stored: Mapping[str, Any]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the token ids of a column, int32 `[n, length]`, and the record of what was fitted.

    Args:
        texts: of the examples; a missing value is an empty one.
        train: indices of the training examples.
        column: its name.
        form: its settings.
        stored: the record of another table, in place of fitting; empty: there is none.

    Raises:
        UserError: the training part has no words.
    """
    if stored:
        return _vectorized_text.by_record(texts, stored), dict(stored)
    ids, record = _vectorized_text.vectorized(texts, train, TextForm(**form), f" of column {column}")
    words = spec(column, ids, record).cardinalities[0]
    console.note(f"texts of {column}: {ids.shape[1]} tokens each, a vocabulary of {words:,}")
    notice = _vectorized_text.unknown_notice(
        ids, train, record, f"data.text={{{column}: {{tokens: character}}}}"
    )
    if notice is not None:
        console.warn(f"column {column}: {notice}")
    return ids, record


def spec(name: str, ids: np.ndarray, record: Mapping[str, Any]) -> InputSpec:
    """Return the input of a column's tokens.

    Args:
        name: of the input.
        ids, record: as `tokens` returns them.
    """
    return InputSpec(name, "tokens", (ids.shape[1],), (len(_vectorized_text.tokens_of(record, "")),))
