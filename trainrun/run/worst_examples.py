"""The examples that a model predicts worst, with the values of their columns, their texts or their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trainrun.artifacts import curves, page
from trainrun.data.dataset import Dataset, Split
from trainrun.data.preprocessor import Preprocessor
from trainrun.model import raw_examples
from trainrun.run import slices
from trainrun.run.permutation_importance import errors, step_names

COUNT, COLUMNS = 10, 8
TEXT = 400  # characters of a text


class Worst(NamedTuple):
    """One example.

    Args:
        place: in its part, counted from 0.
        true, predicted: a class's name or a number; None of several an example.
        error: see `permutation_importance.errors`.
        values: of the columns; of a text the words that the model knows, of a sequence the last step.
        picture: of an image, the bytes of a PNG file.
    """

    place: int
    true: Any
    predicted: Any
    error: float
    values: list[Any]
    picture: bytes | None = None

    def plain(self, columns: Sequence[str]) -> dict[str, Any]:
        """Return it as plain data, for JSON, with the values by column and without the picture."""
        content = {**self._asdict(), "values": dict(zip(columns, self.values, strict=True))}
        del content["picture"]
        return content


def worst(
    data: Dataset, split: Split, predictions: np.ndarray, fitted: Preprocessor, first: Sequence[str] = ()
) -> tuple[list[str], list[Worst]]:
    """Return the names of some columns, and the examples with the greatest errors, the worst first.

    Args:
        data: the run's.
        split: the examples.
        predictions: probabilities, or real numbers.
        fitted: of the model.
        first: columns that are to be shown before others.

    Returns:
        Nothing of targets with several values an example.
    """
    target = data.target
    if (
        target.kind in ("none", "multilabel", "named")
        or target.shape
        or (target.kind == "real" and target.outputs > 1)
    ):
        return [], []
    failed = errors(target, split.y, predictions)
    known = np.flatnonzero(np.isfinite(failed))
    places = known[np.argsort(-failed[known], kind="stable")[:COUNT]]
    rows = split.take(places)
    of_inputs = [name for spec in fitted.inputs for name in fitted.names(spec)]
    listed = dict.fromkeys([*first, *(c.name for c in fitted.columns), *of_inputs])
    shown = [name for name in listed if name in of_inputs][:COLUMNS]
    columns = {name: slices.column(name, rows, fitted) for name in shown}
    inputs = rows.x if isinstance(rows.x, dict) else {fitted.inputs[0].name: rows.x}
    of_texts = [
        fitted.of_texts.get(s.name, s.name)
        for s in fitted.inputs
        if "vocabulary" in fitted.steps.get(s.name, {})
    ]
    for name, texts in raw_examples.of(rows.x, fitted).items() if of_texts else ():
        if name in of_texts:
            columns[name] = [str(text)[:TEXT].replace(raw_examples.UNKNOWN_TEXT, "?") for text in texts[:, 0]]
    for spec in fitted.inputs:
        if names_of_step := step_names(fitted, spec):
            last = raw_examples.of(rows.x, fitted)[spec.name][:, -1]
            listed = dict.fromkeys([*first, *names_of_step])
            for name in [name for name in listed if name in names_of_step][:COLUMNS]:
                values = last[:, names_of_step.index(name)]
                columns[f"last {name}"] = [float(f"{value:.7g}") for value in values]
    images = [inputs[s.name] for s in fitted.inputs if s.kind == "image"][:1]
    p = predictions.reshape(len(split), -1)[places]
    if target.kind == "real":
        true, guess = np.ravel(rows.y).tolist(), p[:, 0].tolist()
    else:
        names = target.class_names
        true = [names[i] for i in rows.y]
        scores = curves.per_class(p, target.kind)
        decided = curves.decided(scores, target)
        guess = [f"{names[i]} ({row[i]:.1%})" for i, row in zip(decided, scores, strict=True)]
    examples = [
        Worst(
            int(place),
            t,
            g,
            float(failed[place]),
            [values[i] for values in columns.values()],
            next((page.png(x[i]) for x in images), None),
        )
        for i, (place, t, g) in enumerate(zip(places, true, guess, strict=True))
    ]
    return [*columns], examples
